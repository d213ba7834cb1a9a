"""The API of the simulated Stripe as bytes, by the types of the official SDK."""

from importlib.util import find_spec

if find_spec("stripe") is None:
    raise ImportError("the API of the simulated Stripe needs the official SDK: pip install 'billsim[stripe]'")
