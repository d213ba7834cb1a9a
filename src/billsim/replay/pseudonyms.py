"""Pseudonyms: what is left of a real event once nothing in it points at a person, a card or a company.

A text survives only if it is known to be harmless: a word of Stripe's own vocabulary under a field that holds such words, or one of the governed
metadata keys. Whatever else is a text is replaced: ids by ids, names by names, addresses by addresses, the rest by a token. Numbers survive, since
amounts and times are what an incident is about, except under a field whose name says that it describes a person.

A pseudonym is a function of the seed and the real value alone: one value has one pseudonym in every file, and importing again gives the same files.
The mapping is kept nowhere. Somebody who knows the seed and guesses a value can check the guess: share the files, and keep the seed to yourself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from faker import Faker

from billsim.core.ids import short
from billsim.core.policy import DunningPolicy

Rename = Callable[[str, str, Any], str]
"""(real id, kind of object, its `created` or None) -> the id's pseudonym."""

POOL = 64


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_POLICY = DunningPolicy()
GOVERNED = frozenset(
    (_POLICY.bad_debt_key, _POLICY.bad_debt_since_key, _POLICY.no_success_key, _POLICY.account_type_key, _POLICY.bad_debt_amount_key)
)

# https://docs.stripe.com/api: what ids begin with. The longer stands before the shorter.
_PREFIXES = _words(
    "sub_sched cs_test cs_live seti_setatt acct ba bps btok card cbtxn ch cn cs cus di dp du evt file fp ii il in inpay issfr li link mandate mbur "
    "pi plan plink pm po pr price prod prv pst py pyr qt rcpt re req seti setatt si sku src su sub tok tr trr txi txn txr we"
)
_ID = re.compile(rf"({'|'.join(sorted(_PREFIXES, key=lambda p: (-len(p), p)))})_[A-Za-z0-9][A-Za-z0-9_-]*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_IP = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){2,7}")
_URL = re.compile(r"[a-z]+://\S*", re.IGNORECASE)
_WORD = re.compile(r"(?!.*\d{5})[a-z][a-z0-9_.-]{0,79}")
_TITLE = re.compile(r"[A-Z][A-Za-z]{2,15}( [A-Z][a-z]{2,15})?")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[a-z]{1,20})?")
_KEY = re.compile(r"(?!.*\d{5})[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_GOVERNED_VALUE = re.compile(r"|[a-z][a-z_]{0,39}|[0-9]{1,15}")
_COUNTRY = re.compile(r"[A-Z]{2}")

# Fields whose values are words of Stripe's API, and never a customer's own.
_VOCABULARY = _words(
    "object type status currency billing_reason collection_method billing interval brand funding code decline_code failure_code "
    "reason cancellation_reason billing_scheme usage_type network network_status risk_level capture_method confirmation_method "
    "payment_status mode tax_exempt customer_tax_exempt proration_behavior end_behavior duration setup_future_usage usage "
    "default_currency tax_behavior tax_type transaction_type verification_method method source_type payment_method_types "
    "allowed_source_types feedback result payment_behavior account_holder_type cvc_check address_line1_check address_zip_check "
    "address_postal_code_check request_three_d_secure currencies_supported available preferred"
)
# What an attempt to mend an account comes to, in words of the platform's own.
_OUTCOMES = _words(
    "ok applied done skipped refused failed error timeout dry_run no_change UnsupportedAccountType MergedAccount InvalidPaymentMethod "
    "InvoiceDateTooNear NoStripeCustomer BadDebtDriftRemediation InvoiceMetadataRemediation"
)
_TITLES = frozenset(("brand", "type", "default_currency", "currencies_supported"))
_COUNTRIES = frozenset(("country", "account_country", "address_country", "jurisdiction"))
_REFERENCES = {
    "plan": "price",
    "price": "price",
    "old_plan": "price",
    "coupon": "coupon",
    "promotion_code": "promotion_code",
    "product": "product",
    "customer": "customer",
    "subscription": "subscription",
    "invoice": "invoice",
    "latest_invoice": "invoice",
    "charge": "charge",
    "latest_charge": "charge",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "default_payment_method": "payment_method",
    "default_source": "payment_method",
    "source": "payment_method",
}
_SAME_PREFIX = {"plan": "price", "su": "sub"}
_KIND_PREFIXES = {
    "coupon": "coupon",
    "customer": "cus",
    "subscription": "sub",
    "subscription_item": "si",
    "invoice": "in",
    "line_item": "il",
    "charge": "ch",
    "payment_intent": "pi",
    "payment_method": "pm",
    "price": "price",
    "plan": "price",
    "product": "prod",
    "event": "evt",
}
# Words in a field's name which say that even a number there describes a person.
_PERSONAL = _words(
    "phone mobile email mail name dob birth birthday ssn passport iban routing ip latitude longitude zip postal address last4 fingerprint "
    "licence license"
)
_PERSONAL_FIELDS = frozenset(("tax_id", "id_number", "account_number", "vat_id", "personal_id_number"))


class Pseudonyms:
    """Pseudonyms under one seed (0..2**63-1). Invented names come from a small pool that Faker makes once, the same on every machine."""

    def __init__(self, seed: int) -> None:
        self._key = seed.to_bytes(8, "big")
        fake = Faker("en_US")
        fake.seed_instance(1)
        self._pools = {
            "name": [fake.name() for _ in range(POOL)],
            "street": [fake.street_address() for _ in range(POOL)],
            "city": [fake.city() for _ in range(POOL)],
            "state": [fake.state_abbr() for _ in range(POOL)],
        }

    def token(self, value: str) -> str:
        """Twelve characters that stand for `value`."""
        return short(self._digest(value).hex())

    def id(self, value: str, kind: str = "", told_by: str = "") -> str:
        """An id of the same prefix, or of the one that the kind of object has. `told_by` is what tells the object from others with its id."""
        found = _ID.fullmatch(value)
        prefix = _SAME_PREFIX.get(found[1], found[1]) if found else _KIND_PREFIXES.get(kind, "id")
        return f"{prefix}_{self.token(told_by or value)}"

    def account(self, value: str) -> str:
        """An account's name."""
        return f"acct_{self.token(value)}"

    def plan(self, value: str) -> str:
        """A plan's name: what is left of its price's id behind `price_`."""
        return self.id(value, "price").removeprefix("price_")

    def zone(self, value: str) -> str:
        """A zone's name."""
        return f"{self.token(value.lower())}.example"

    def told(self, value: str) -> str:
        """A free text, or a JSON value of which the shape and the harmless words stay."""
        try:
            shape = json.loads(value)
        except (ValueError, RecursionError):
            shape = None
        if not isinstance(shape, dict | list):
            return value if value in _OUTCOMES else self.text(value)
        return json.dumps(self.scrub(shape, lambda id, kind, _created: self.id(id, kind)), separators=(",", ":"))

    def harmless(self, field: str, value: str) -> bool:
        """Whether this text may stay as it is under this field."""
        found = (
            (field in _VOCABULARY and _WORD.fullmatch(value))
            or (field in _TITLES and _TITLE.fullmatch(value))
            or (field in _COUNTRIES and _COUNTRY.fullmatch(value))
            or (field.endswith("_decimal") and _NUMBER.fullmatch(value))
            or (field == "api_version" and _VERSION.fullmatch(value))
        )
        return bool(found)

    def text(self, value: str, field: str = "") -> str:
        """What a text becomes that stands under this field: by its own shape first, then by the field's name."""
        words = frozenset(field.split("_"))
        if _EMAIL.fullmatch(value):
            return self._email(value)
        if _URL.match(value) or words & {"url", "uri", "pdf", "website"}:
            return f"https://example.com/{self.token(value)}"
        if _IP.fullmatch(value) and len(value) > 5:
            return f"203.0.113.{self._number(value) % 256}"
        for sort, make in self._sorts:
            if words & sort:
                return make(self, value)
        return f"text_{self.token(value)}"

    def scrub(self, value: Any, rename: Rename) -> Any:
        """A JSON value without anything personal in it; ids go through `rename`."""
        return self._scrub(value, "", rename)

    def _scrub(self, value: Any, field: str, rename: Rename) -> Any:
        if isinstance(value, dict):
            return self._object(value, field, rename)
        if isinstance(value, list):
            return [self._scrub(item, field, rename) for item in value]
        if isinstance(value, str):
            return self._string(value, field, rename) if value else value
        if isinstance(value, bool) or value is None:
            return value
        return 0 if _is_personal(field) else value

    def _object(self, value: dict[str, Any], field: str, rename: Rename) -> dict[str, Any]:
        if field == "metadata":
            return {self._name(key): self._metadata(key, item) for key, item in value.items()}
        kind, personal = value.get("object"), _is_personal(field)
        found: dict[str, Any] = {}
        for key, item in value.items():
            if key == "id" and isinstance(item, str) and item:
                found[key] = rename(item, kind if isinstance(kind, str) else "", value.get("created", value.get("date")))
            elif personal and not isinstance(item, dict | list | str):
                found[self._name(key)] = None if item is None else self._scrub(item, field, rename)
            else:
                found[self._name(key)] = self._scrub(item, key, rename)
        return found

    def _string(self, value: str, field: str, rename: Rename) -> str:
        if field in _REFERENCES:
            return rename(value, "" if _ID.fullmatch(value) else _REFERENCES[field], None)
        if _ID.fullmatch(value) and "_secret_" not in value:
            return rename(value, "", None)
        return value if self.harmless(field, value) else self.text(value, field)

    def _metadata(self, key: str, value: Any) -> Any:
        if not isinstance(value, str) or not value:
            return value if value is None or isinstance(value, str | bool) else self.text(str(value), key)
        return value if key in GOVERNED and _GOVERNED_VALUE.fullmatch(value) else self.text(value, key)

    def _name(self, key: str) -> str:
        """A field's name; keys of free objects (metadata) can be anything, a customer's address too."""
        return key if _KEY.fullmatch(key) else f"key_{self.token(key)}"

    def _digest(self, value: str) -> bytes:
        return blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16, key=self._key).digest()

    def _number(self, value: str) -> int:
        return int.from_bytes(self._digest(value)[:8], "big")

    def _from_pool(self, pool: str, value: str) -> str:
        choices = self._pools[pool]
        index = self._number(value)
        picked = choices[index % POOL]
        return picked if picked != value else choices[(index + 1) % POOL]

    def _email(self, value: str) -> str:
        return f"{self.token(value.lower())}@example.com"

    def _person(self, value: str) -> str:
        return self._from_pool("name", value)

    def _phone(self, value: str) -> str:
        return f"+1555{self._number(value) % 10_000_000:07d}"

    def _digits(self, value: str) -> str:
        """As many digits as there were characters, at most ten, and not the real ones."""
        width = min(len(value), 10)
        made = f"{self._number(value) % 10**width:0{width}d}"
        return made if made != value else f"{(int(made) + 1) % 10**width:0{width}d}"

    def _street(self, value: str) -> str:
        return self._from_pool("street", value)

    def _city(self, value: str) -> str:
        return self._from_pool("city", value)

    def _state(self, value: str) -> str:
        return self._from_pool("state", value)

    def _invoice_number(self, value: str) -> str:
        return f"INV-{self.token(value)}"

    _sorts: tuple[tuple[frozenset[str], Callable[[Pseudonyms, str], str]], ...] = (
        (frozenset(("email", "mail")), _email),
        (frozenset(("phone", "mobile")), _phone),
        (frozenset(("last4", "postal", "zip", "dob", "ssn", "routing")), _digits),
        (frozenset(("name", "holder")), _person),
        (frozenset(("line1", "line2", "street")), _street),
        (frozenset(("city", "town")), _city),
        (frozenset(("state", "province")), _state),
        (frozenset(("number",)), _invoice_number),
    )


class KeptNames(Pseudonyms):
    """No pseudonyms: everything stays as it is, but for what must be a name of billsim's own (accounts, and what is called after them)."""

    def token(self, value: str) -> str:
        """The value, in letters that a name may have."""
        kept = re.sub(r"[^a-z0-9_]", "_", value.removeprefix("cus_").lower())
        return kept if len(kept) <= 30 else f"{kept[:17]}_{super().token(value)}"

    def account(self, value: str) -> str:
        """The account's own name, where it is one."""
        kept = self.token(value)
        return kept if kept[:1].isalpha() else f"acct_{kept}"

    def id(self, value: str, kind: str = "", told_by: str = "") -> str:
        """The id itself, unless it stands for many."""
        return super().id(value, kind, told_by) if told_by and told_by != value else value

    def plan(self, value: str) -> str:
        """The plan's own name."""
        return value.removeprefix("price_")

    def zone(self, value: str) -> str:
        """The zone's own name."""
        return value

    def told(self, value: str) -> str:
        """The text itself."""
        return value

    def harmless(self, field: str, value: str) -> bool:
        """Every text is."""
        return True

    def text(self, value: str, field: str = "") -> str:
        """The text itself."""
        return value

    def _scrub(self, value: Any, field: str, rename: Rename) -> Any:
        if isinstance(value, str | int | float) or value is None:
            return self._string(value, field, rename) if isinstance(value, str) and value else value
        return super()._scrub(value, field, rename)

    def _object(self, value: dict[str, Any], field: str, rename: Rename) -> dict[str, Any]:
        if field == "metadata":
            return dict(value)
        kind = value.get("object")
        kept = {key: self._scrub(item, key, rename) for key, item in value.items()}
        if isinstance(id := value.get("id"), str) and id:
            kept["id"] = rename(id, kind if isinstance(kind, str) else "", value.get("created", value.get("date")))
        return kept


def _is_personal(field: str) -> bool:
    return field in _PERSONAL_FIELDS or not _PERSONAL.isdisjoint(field.split("_"))
