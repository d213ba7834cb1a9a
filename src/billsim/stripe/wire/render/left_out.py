"""The fields of Stripe's objects that an answer does not have, by kind, and why. Whatever else the SDK annotates is there, null where it does not
apply.

That a field may be missing is the API's own rule: its specification (https://github.com/stripe/openapi) marks such a field as neither required nor
nullable.
"""

from __future__ import annotations

from collections.abc import Mapping

DELETED = "only what a deletion answers has it"
EXPANDED = "only there when `expand` asks for it"
OF_TYPE = "only the hash that `type` names is there"
UNUSED = "only there where the account uses the feature; never null"
CONNECT = "only there for connected accounts"
CREDITS = "only there for what gives back time of a subscription in flexible billing mode"
ONCE = "only what a creation answers has it"

_METHOD_TYPES = (
    "acss_debit", "affirm", "afterpay_clearpay", "alipay", "alma", "amazon_pay", "au_becs_debit", "bacs_debit", "bancontact", "billie", "bizum",
    "blik", "boleto", "card", "card_present", "cashapp", "crypto", "custom", "customer_balance", "eps", "fpx", "giropay", "grabpay", "ideal",
    "interac_present", "kakao_pay", "klarna", "konbini", "kr_card", "link", "mb_way", "mobilepay", "multibanco", "naver_pay", "nz_bank_account",
    "oxxo", "p24", "pay_by_bank", "payco", "paynow", "paypal", "paypay", "payto", "pix", "promptpay", "revolut_pay", "samsung_pay", "satispay",
    "scalapay", "sepa_debit", "sequra", "sofort", "sunbit", "swish", "twint", "upi", "us_bank_account", "wechat_pay", "zip",
)  # fmt: skip
_SOURCE_TYPES = (
    "ach_credit_transfer", "ach_debit", "acss_debit", "alipay", "au_becs_debit", "bancontact", "card", "card_present", "eps", "giropay", "ideal",
    "klarna", "multibanco", "p24", "sepa_credit_transfer", "sepa_debit", "sofort", "three_d_secure", "wechat",
)  # fmt: skip

LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "card": {"deleted": DELETED, **dict.fromkeys(("description", "iin", "issuer", "networks"), UNUSED)},
    "charge": {"refunds": EXPANDED, "transfer": CONNECT, **dict.fromkeys(("level3", "presentment_details"), UNUSED)},
    "credit_note_line_item": {"invoice_line_item": "only there for a line of an invoice; a note over an amount has a line of its own"},
    "customer": {
        "deleted": DELETED,
        **dict.fromkeys(("cash_balance", "invoice_credit_balance", "sources", "subscriptions", "tax", "tax_ids"), EXPANDED),
        **dict.fromkeys(("business_name", "individual_name"), UNUSED),
    },
    "event": {"account": CONNECT, "context": CONNECT},
    "invoice": {"deleted": DELETED, "confirmation_secret": EXPANDED, "payments": EXPANDED, "threshold_reason": UNUSED},
    "invoiceitem": {"deleted": DELETED, **dict.fromkeys(("frozen_fields", "invoicing_rules"), UNUSED), "proration_details": CREDITS},
    "mandate": {"on_behalf_of": CONNECT, "multi_use": OF_TYPE, "single_use": OF_TYPE},
    "payment_intent": dict.fromkeys(("hooks", "payment_details", "presentment_details"), UNUSED),
    "payment_method": {"radar_options": UNUSED, **dict.fromkeys(_METHOD_TYPES, OF_TYPE)},
    "plan": {"deleted": DELETED, "tiers": EXPANDED},
    "price": {"deleted": DELETED, "currency_options": EXPANDED, "tiers": EXPANDED},
    "product": {"deleted": DELETED, "tax_details": UNUSED},
    "refund": dict.fromkeys(
        (
            "description", "failure_balance_transaction", "failure_reason", "instructions_email", "next_action", "pending_reason",
            "presentment_details",
        ),
        UNUSED,
    ),
    "setup_intent": {"attach_to_self": UNUSED},
    "source": {
        **dict.fromkeys(_SOURCE_TYPES, OF_TYPE),
        **dict.fromkeys(("code_verification", "customer", "receiver", "redirect", "source_order"), UNUSED),
    },
    "subscription": {"presentment_details": UNUSED},
    "subscription_item": {"billed_until": UNUSED, "deleted": DELETED},
    "test_helpers.test_clock": {"deleted": DELETED},
    "webhook_endpoint": {"deleted": DELETED, "secret": ONCE},
}  # fmt: skip
