"""The currencies that the API takes (https://docs.stripe.com/currencies)."""

from __future__ import annotations

from billsim.stripe.wire.errors import invalid

_LISTED = """
usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd btn bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk
dop dzd egp etb eur fjd fkp gbp gel ghs gip gmd gnf gtq gyd hkd hnl hrk htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp
lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd
scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usdc uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw
"""
CURRENCIES = tuple(_LISTED.split())


def currency_of(given: str, param: str) -> str:
    """A currency's code as objects have it, in small letters. Raises StripeError for one that is none."""
    code = given.lower()
    if code not in CURRENCIES:
        message = f"Invalid currency: {given[:80]}. Stripe currently supports these currencies: {', '.join(CURRENCIES)}"
        raise invalid(message, param=param)
    return code
