"""Where a stripe-mock comes from: a URL that is given, Docker Compose where an engine answers, or Go; and what is said where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from billsim.oracle import URL_VARIABLE, VERSION, Answer, Mock, NoMockError, mock, stripe_mock


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs, but for the shell's own; nothing is built in the environment of the tests."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin{os.pathsep}/usr/bin")
    monkeypatch.setattr(mock.shutil, "which", lambda name: str(folder / name) if (folder / name).exists() else None)
    monkeypatch.setattr(mock, "_folder", lambda: tmp_path / "built")
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    return folder


def test_without_any_it_says_what_would_bring_one(bin_folder: Path) -> None:
    with pytest.raises(NoMockError, match=f"set {URL_VARIABLE} .*stripe/stripe-mock:{VERSION}.*Docker Compose or Go"), stripe_mock():
        pass


def test_docker_without_an_engine_is_passed_over(bin_folder: Path) -> None:
    program(bin_folder, "docker", "exit 1")
    with pytest.raises(NoMockError, match="install Docker Compose or Go"), stripe_mock():
        pass


def test_docker_with_an_engine_goes_before_go(bin_folder: Path, tmp_path: Path) -> None:
    program(bin_folder, "go", "exit 1")
    program(bin_folder, "docker", f'echo "$@" >> {tmp_path}/asked; case "$*" in *up*) echo "no space left" >&2; exit 1;; esac')
    with pytest.raises(NoMockError, match="docker compose --file did not work: no space left"), stripe_mock():
        pass
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[:2] == ["info", "compose version"] and asked[-1].endswith("up --detach --wait stripe-mock")


def test_go_that_cannot_build_it_is_told_of(bin_folder: Path) -> None:
    program(bin_folder, "go", 'echo "go: downloading" >&2; echo "dial tcp: no route" >&2; exit 1')
    with pytest.raises(NoMockError, match="go install github.com/stripe/stripe-mock@.* did not work: dial tcp: no route"), stripe_mock():
        pass


def test_go_builds_it_once(bin_folder: Path, tmp_path: Path) -> None:
    ends = 'mkdir -p "$GOBIN"; printf "#!/bin/sh\\necho starting\\n" > "$GOBIN/stripe-mock"; chmod +x "$GOBIN/stripe-mock"'
    program(bin_folder, "go", f"echo built >> {tmp_path}/builds; {ends}")
    for _ in range(2):
        with pytest.raises(NoMockError, match="ended as soon as it was started"), stripe_mock():
            pass
    assert (tmp_path / "builds").read_text() == "built\n"


def test_a_url_goes_before_everything(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bin_folder, "go", "exit 1")
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(NoMockError, match="http://127.0.0.1:9 does not answer as stripe-mock does"), stripe_mock():
        pass
    with pytest.raises(NoMockError, match="http://127.0.0.1:8 does not answer"), stripe_mock("http://127.0.0.1:8"):
        pass


@pytest.mark.parametrize("url", ["127.0.0.1:12111", "ftp://127.0.0.1", "http://", ""])
def test_what_is_no_url_is_told_of(url: str) -> None:
    with pytest.raises(NoMockError, match="is no address of a stripe-mock"):
        Mock(url, "given")


def test_addresses_in_memory_are_left_out_of_what_it_complains_of() -> None:
    refused = Answer(400, {"error": {"message": "Request validation error: validator 0xc0004e12f0 failed"}})
    assert refused.complaint == "Request validation error: validator 0x... failed" and not refused.accepted
    assert Answer(200, {"object": "customer"}).complaint == ""


def test_the_real_one_answers(mock: Mock) -> None:
    assert mock.ask("GET", "/v1/customers/cus_1").body["object"] == "customer"
    assert mock.ask("POST", "/v1/customers").accepted
    assert mock.ask("POST", "/v1/customers", body=b"nme=Ada").status == 400
    assert "0xc" not in mock.ask("POST", "/v1/customers", body=b"nme=Ada").complaint
