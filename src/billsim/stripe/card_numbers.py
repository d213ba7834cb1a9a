"""Test numbers and tokens (https://docs.stripe.com/testing): how a payment method behaves that is made with one.

A card's number stands for a behaviour, and so do the account numbers of bank debits. `tok_NAME` and `pm_card_NAME` stand for the number of NAME.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple


class Decline(NamedTuple):
    """A bank's refusal, as in https://docs.stripe.com/declines/codes. A `hard` one is not tried again with the same payment method."""

    decline_code: str
    message: str
    hard: bool = False
    code: str = "card_declined"


class Behaviour(NamedTuple):
    """What comes of payments with a test number.

    `decline`: a charge fails, and so does attaching it where `attaches` is False. `asks`: when the bank wants the customer's confirmation; `then` is
    what comes after that. `settles_s`: a charge is processed for so long, and then ends as `decline` says (None: it is processed for good).
    `disputed` (a reason) and `refunds` say what happens to a charge that went through. `risk` is what the charge's outcome says.
    """

    decline: Decline | None = None
    attaches: bool = True
    asks: Literal["", "always", "unless_set_up", "on_session"] = ""
    then: Decline | None = None
    settles_s: int | None = 0
    disputed: str = ""
    is_inquiry: bool = False
    refunds: Literal["", "pending", "fails"] = ""
    risk: Literal["normal", "elevated", "highest"] = "normal"
    checks: Mapping[str, str] = {}


DECLINED = Decline("generic_decline", "Your card was declined.")
FUNDS = Decline("insufficient_funds", "Your card has insufficient funds.")
LOST = Decline("lost_card", "Your card was declined.", hard=True)
STOLEN = Decline("stolen_card", "Your card was declined.", hard=True)
EXPIRED = Decline("expired_card", "Your card has expired.", code="expired_card")
WRONG_CVC = Decline("incorrect_cvc", "Your card's security code is incorrect.", code="incorrect_cvc")
PROCESSING_ERROR = Decline(
    "processing_error", "An error occurred while processing your card. Try again in a little bit.", code="processing_error"
)
VELOCITY = Decline(
    "card_velocity_exceeded", "Your card was declined for making repeated attempts too frequently or exceeding its amount limit."
)
FRAUDULENT = Decline("fraudulent", "Your card was declined.", hard=True)
# What a debit of a bank account fails with has no decline code (https://docs.stripe.com/payments/sepa-debit).
NO_ACCOUNT = Decline("", "The bank account could not be located.", code="no_account")
CLOSED = Decline("", "The customer's bank account has been closed.", code="account_closed")
DEBIT_FUNDS = Decline("", "The customer's account has insufficient funds to cover this payment.", code="insufficient_funds")
NOT_AUTHORIZED = Decline("", "The customer has notified their bank that this payment was unauthorized.", code="debit_not_authorized")
WRONG_CURRENCY = Decline("", "The bank was unable to process this payment because of its currency.", code="invalid_currency")
WRONG_HOLDER = Decline("", "The bank could not be debited: the account holder's name is incorrect.", code="incorrect_account_holder_name")
ABOVE_LIMIT = Decline("", "The amount is above what may be debited from this bank account.", code="charge_exceeds_source_limit")
ABOVE_WEEKLY_LIMIT = Decline("", "The amount is above what may be debited within a week.", code="charge_exceeds_weekly_limit")

# How long a debit is processed: Stripe says "immediately" of most test accounts (some seconds, as measured), and three minutes of others.
SOON_S, THREE_MINUTES_S = 15, 180
# How long a test refund is pending, or seems to have succeeded (Stripe says no more than that it is later).
REFUND_S = 60


def _refused(decline: Decline) -> Behaviour:
    return Behaviour(decline, attaches=False)


GOOD = Behaviour()
CARDS: Mapping[str, Behaviour] = {
    "4000000000000002": _refused(DECLINED),
    "4000000000009995": _refused(FUNDS),
    "4000000000009987": _refused(LOST),
    "4000000000009979": _refused(STOLEN),
    "4000000000000069": _refused(EXPIRED),
    "4000000000000127": _refused(WRONG_CVC),
    "4000000000000119": _refused(PROCESSING_ERROR),
    "4000000000006975": _refused(VELOCITY),
    "4000000000000341": Behaviour(DECLINED),
    "4100000000000019": Behaviour(FRAUDULENT, risk="highest"),
    "4000000000004954": Behaviour(FRAUDULENT, risk="highest"),
    "4000000000009235": Behaviour(risk="elevated"),
    "4000000000000101": Behaviour(WRONG_CVC, attaches=False, checks={"cvc_check": "fail"}),
    "4000000000000036": Behaviour(checks={"address_postal_code_check": "fail"}),
    "4000000000000028": Behaviour(checks={"address_line1_check": "fail"}),
    "4000000000000010": Behaviour(checks={"address_line1_check": "fail", "address_postal_code_check": "fail"}),
    "4000000000000044": Behaviour(checks={"address_line1_check": "unavailable", "address_postal_code_check": "unavailable"}),
    "4000000000000259": Behaviour(disputed="fraudulent"),
    "4000000000002685": Behaviour(disputed="product_not_received"),
    "4000000000001976": Behaviour(disputed="fraudulent", is_inquiry=True),
    "4000000000007726": Behaviour(refunds="pending"),
    "4000000000005126": Behaviour(refunds="fails"),
    "4000000000000077": GOOD,
    "4000003720000278": GOOD,
    "4000002500003155": Behaviour(asks="unless_set_up"),
    "4000002760003184": Behaviour(asks="always"),
    "4000003800000446": Behaviour(asks="on_session"),
    "4000008260003178": Behaviour(asks="always", then=FUNDS),
    "4000000000003220": Behaviour(asks="always"),
    "4000008400001629": Behaviour(asks="always", then=DECLINED),
    "4000008400001280": Behaviour(DECLINED),
    "4000000000003055": GOOD,
    "4000000000003097": GOOD,
}

# NAME of `tok_NAME` and `pm_card_NAME` -> number
NAMES: Mapping[str, str] = {
    "visa": "4242424242424242",
    "visa_debit": "4000056655665556",
    "mastercard": "5555555555554444",
    "mastercard_debit": "5200828282828210",
    "mastercard_prepaid": "5105105105105100",
    "amex": "378282246310005",
    "discover": "6011111111111117",
    "diners": "3056930009020004",
    "jcb": "3566002020360505",
    "unionpay": "6200000000000005",
    "us": "4242424242424242",
    "br": "4000000760000002",
    "ca": "4000001240000000",
    "mx": "4000004840008001",
    "at": "4000000400000008",
    "be": "4000000560000004",
    "ch": "4000007560000009",
    "de": "4000002760000016",
    "dk": "4000002080000001",
    "es": "4000007240000007",
    "fi": "4000002460000001",
    "fr": "4000002500000003",
    "gb": "4000008260000000",
    "gb_debit": "4000058260000005",
    "ie": "4000003720000005",
    "it": "4000003800000008",
    "nl": "4000005280000002",
    "no": "4000005780000007",
    "pl": "4000006160000005",
    "pt": "4000006200000007",
    "se": "4000007520000008",
    "au": "4000000360000006",
    "jp": "4000003920000003",
    "visa_chargeDeclined": "4000000000000002",
    "chargeDeclined": "4000000000000002",
    "visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "chargeDeclinedInsufficientFunds": "4000000000009995",
    "visa_chargeDeclinedLostCard": "4000000000009987",
    "visa_chargeDeclinedStolenCard": "4000000000009979",
    "visa_chargeDeclinedVelocityLimitExceeded": "4000000000006975",
    "chargeDeclinedExpiredCard": "4000000000000069",
    "chargeDeclinedIncorrectCvc": "4000000000000127",
    "chargeDeclinedProcessingError": "4000000000000119",
    "chargeDeclinedFraudulent": "4100000000000019",
    "chargeCustomerFail": "4000000000000341",
    "radarBlock": "4100000000000019",
    "riskLevelHighest": "4000000000004954",
    "riskLevelElevated": "4000000000009235",
    "cvcCheckFail": "4000000000000101",
    "avsZipFail": "4000000000000036",
    "avsLine1Fail": "4000000000000028",
    "avsFail": "4000000000000010",
    "avsUnchecked": "4000000000000044",
    "createDispute": "4000000000000259",
    "createDisputeProductNotReceived": "4000000000002685",
    "createDisputeInquiry": "4000000000001976",
    "pendingRefund": "4000000000007726",
    "refundFail": "4000000000005126",
    "bypassPending": "4000000000000077",
    "bypassPendingInternational": "4000003720000278",
    "authenticationRequiredOnSetup": "4000002500003155",
    "authenticationRequired": "4000002760003184",
    "authenticationRequiredSetupForOffSession": "4000003800000446",
    "authenticationRequiredChargeDeclinedInsufficientFunds": "4000008260003178",
    "threeDSecure2Required": "4000000000003220",
    "threeDSecureRequired": "4000000000003220",
    "threeDSecureRequiredChargeDeclined": "4000008400001629",
    "threeDSecureRequiredProcessingError": "4000008400001280",
    "threeDSecureOptional": "4000000000003055",
    "threeDSecureOptionalProcessingError": "4000000000003097",
}
TOKEN, METHOD_TOKEN = "tok_", "pm_card_"

_SOON, _LATER = Behaviour(settles_s=SOON_S), Behaviour(settles_s=THREE_MINUTES_S)
# Account numbers of US bank accounts, by routing number 110000000 (https://docs.stripe.com/payments/ach-direct-debit).
US_ACCOUNTS: Mapping[str, Behaviour] = {
    "000123456789": _SOON,
    "000111111116": Behaviour(NO_ACCOUNT, settles_s=SOON_S),
    "000111111113": Behaviour(CLOSED, settles_s=SOON_S),
    "000222222227": Behaviour(DEBIT_FUNDS, settles_s=SOON_S),
    "000333333335": Behaviour(NOT_AUTHORIZED, settles_s=SOON_S),
    "000444444440": Behaviour(WRONG_CURRENCY, settles_s=SOON_S),
    "000555555559": Behaviour(settles_s=SOON_S, disputed="debit_not_authorized"),
    "000000000009": Behaviour(settles_s=None),
    "000777777771": Behaviour(ABOVE_WEEKLY_LIMIT, settles_s=SOON_S),
}
US_NAMES: Mapping[str, str] = {
    "pm_usBankAccount_success": "000123456789",
    "pm_usBankAccount_accountClosed": "000111111113",
    "pm_usBankAccount_noAccount": "000111111116",
    "pm_usBankAccount_insufficientFunds": "000222222227",
    "pm_usBankAccount_debitNotAuthorized": "000333333335",
    "pm_usBankAccount_invalidCurrency": "000444444440",
    "pm_usBankAccount_dispute": "000555555559",
    "pm_usBankAccount_processing": "000000000009",
    "pm_usBankAccount_weeklyLimitExceeded": "000777777771",
}
ROUTING_NUMBER = "110000000"

# What becomes of debits of a test IBAN (https://docs.stripe.com/testing#sepa-direct-debit): the NAME of the token `pm_sepaDebit_NAME_<country>`.
_DEBITS: Mapping[str, Behaviour] = {
    "success": _SOON,
    "successDelayed": _LATER,
    "failed": Behaviour(WRONG_HOLDER, settles_s=SOON_S),
    "failedDelayed": Behaviour(WRONG_HOLDER, settles_s=THREE_MINUTES_S),
    "disputed": Behaviour(settles_s=SOON_S, disputed="fraudulent"),
    "exceedsWeeklyVolumeLimit": Behaviour(ABOVE_LIMIT, settles_s=SOON_S),
    "exceedsWeeklyTransactionLimit": Behaviour(ABOVE_WEEKLY_LIMIT, settles_s=SOON_S),
    "insufficientFunds": Behaviour(DEBIT_FUNDS, settles_s=SOON_S),
}
# Of each country, the test IBANs in the order of _DEBITS; then one of a bank that takes no debits, and one of an account that may not be debited.
_IBANS: tuple[tuple[str, ...], ...] = (
    ("AT611904300234573201", "AT321904300235473204", "AT861904300235473202", "AT051904300235473205", "AT591904300235473203",
     "AT981904300000343434", "AT601904300000121212", "AT981904300002222227", "AT271904300000055555", "AT511904300000066666"),
    ("BE62510007547061", "BE78510007547064", "BE68539007547034", "BE51510007547065", "BE08510007547063",
     "BE90510000343434", "BE52510000121212", "BE90510002222227", "BE19510000055555", "BE43510000066666"),
    ("DE89370400440532013000", "DE08370400440532013003", "DE62370400440532013001", "DE78370400440532013004", "DE35370400440532013002",
     "DE65370400440000343434", "DE27370400440000121212", "DE65370400440002222227", "DE91370400440000055555", "DE18370400440000066666"),
    ("FR1420041010050500013M02606", "FR3020041010050500013M02609", "FR8420041010050500013M02607", "FR7920041010050500013M02600",
     "FR5720041010050500013M02608", "FR9720041010050000000343434", "FR5920041010050000000121212", "FR9720041010050000002222227",
     "FR2620041010050000000055555", "FR5020041010050000000066666"),
    ("IE29AIBK93115212345678", "IE24AIBK93115212345671", "IE02AIBK93115212345679", "IE94AIBK93115212345672", "IE51AIBK93115212345670",
     "IE10AIBK93115200343434", "IE69AIBK93115200121212", "IE10AIBK93115202222227", "IE36AIBK93115200055555", "IE60AIBK93115200066666"),
)  # fmt: skip
IBANS: Mapping[str, Behaviour] = {iban: kind for ibans in _IBANS for iban, kind in zip(ibans, _DEBITS.values(), strict=False)}
IBAN_NAMES: Mapping[str, str] = {
    f"pm_sepaDebit_{name}_{ibans[0][:2].lower()}": iban for ibans in _IBANS for iban, name in zip(ibans, _DEBITS, strict=False)
}
# IBANs with which no payment method can be made, and the code of the refusal.
REFUSED_IBANS: Mapping[str, str] = {
    **{ibans[-2]: "sepa_debit_bank_not_supported" for ibans in _IBANS},
    **{ibans[-1]: "sepa_debit_debits_not_supported" for ibans in _IBANS},
}

_COUNTRIES: Mapping[str, str] = {
    "076": "BR", "124": "CA", "484": "MX", "040": "AT", "056": "BE", "756": "CH", "276": "DE", "208": "DK", "724": "ES", "246": "FI", "250": "FR",
    "826": "GB", "372": "IE", "380": "IT", "528": "NL", "578": "NO", "616": "PL", "620": "PT", "752": "SE", "036": "AU", "392": "JP",
}  # fmt: skip
_DEBIT = ("4000056655665556", "5200828282828210", "4000058260000005")


def number_of(token: str) -> str | None:
    """The card number that `tok_visa` or `pm_card_visa` stands for, or None."""
    for prefix in (TOKEN, METHOD_TOKEN):
        if token.startswith(prefix):
            return NAMES.get(token[len(prefix) :])
    return None


def wrong_part(token: str) -> str | None:
    """The word of `tok_WORD_WORD` that no test token has, where it has another that some do; None for what is no test token at all."""
    words = token.removeprefix(TOKEN).split("_")
    known = {word for name in NAMES for word in name.split("_")}
    if not token.startswith(TOKEN) or known.isdisjoint(words):
        return None
    return next((word for word in words if word not in known), None)


def is_valid(number: str) -> bool:
    """Whether a card's number is one: digits that pass the check of Luhn."""
    if not number.isascii() or not number.isdigit() or not 12 <= len(number) <= 19:
        return False
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    return sum([digit // 10 + digit % 10 for digit in doubled]) % 10 == 0


def is_iban(iban: str) -> bool:
    """Whether an IBAN is one: two letters, and digits and letters that pass its check."""
    if not (iban.isascii() and iban.isalnum() and iban[:2].isalpha() and 15 <= len(iban) <= 34):
        return False
    return int("".join([str(int(sign, 36)) for sign in iban[4:] + iban[:4]])) % 97 == 1


def brand_of(number: str) -> str:
    """The brand of a card, by how its number begins."""
    if number[:2] in ("34", "37"):
        return "amex"
    if number[:2] in ("51", "52", "53", "54", "55") or "2221" <= number[:4] <= "2720":
        return "mastercard"
    if number[:2] in ("30", "36", "38", "39"):
        return "diners"
    starts = {"35": "jcb", "62": "unionpay", "60": "discover", "65": "discover"}
    return starts.get(number[:2], "visa" if number[:1] == "4" else "unknown")


def card_of(number: str) -> dict[str, Any]:
    """What a card says of itself, but for when it expires."""
    prepaid, debit = number == NAMES["mastercard_prepaid"], number in _DEBIT
    country = _COUNTRIES.get(number[6:9], "US") if number.startswith("4000") else "US"
    checks = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass", **behaviour_of_card(number).checks}
    funding = "prepaid" if prepaid else "debit" if debit else "credit"
    return {"brand": brand_of(number), "last4": number[-4:], "country": country, "funding": funding, "checks": checks}


def behaviour_of_card(number: str) -> Behaviour:
    """How a card of this number behaves; well, where it is none of the test numbers."""
    return CARDS.get(number, GOOD)
