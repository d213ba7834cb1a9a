"""The raw tables that the nightly mirror fills: every column's name, BigQuery type and meaning. What views may read, in one place.

Stripe's tables know customers and no accounts, as Stripe does: subs_customer says who is who. Amounts are minor units. An absent value is NULL, also
where the simulated stores write ''.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

BigQueryType = Literal["STRING", "INT64", "BOOL", "TIMESTAMP"]
# Who a row goes with: it is mirrored again when that account or Stripe customer has changed. A price goes with nobody.
Owner = Literal["account", "customer", ""]

Told = tuple[str, BigQueryType, str]

RAW, OPS = "raw", "ops"
# Where ope_items has an item from.
CURRENT, SCHEDULED = "current", "scheduled"


class Column(NamedTuple):
    """A column of a raw table."""

    name: str
    type: BigQueryType
    meaning: str


class Table(NamedTuple):
    """A raw table. `owner_column` holds whose row it is: an account or a Stripe customer, as `owner` says; '' where rows go with nobody."""

    name: str
    meaning: str
    owner: Owner
    owner_column: str
    columns: tuple[Column, ...]
    dataset: str = RAW

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple([column.name for column in self.columns])


def _columns(*told: Told) -> tuple[Column, ...]:
    return tuple([Column(*each) for each in told])


_METADATA: Told = ("metadata", "STRING", "Metadata, one JSON object of strings")
_ACCOUNT: Told = ("account", "STRING", "The account")
_CUSTOMER: Told = ("customer", "STRING", "The Stripe customer, cus_...")

STRIPE_CUSTOMERS = Table(
    "stripe_customers",
    "Customers at Stripe; a deleted one is not there.",
    "customer",
    "id",
    _columns(
        ("id", "STRING", "cus_..."),
        ("created", "TIMESTAMP", "When it was made"),
        ("name", "STRING", "Name for invoices"),
        ("email", "STRING", "Address for invoices"),
        ("currency", "STRING", "Currency, lower case; NULL before the first invoice"),
        ("balance", "INT64", "Below 0: credit for the next invoice"),
        ("delinquent", "BOOL", "Stripe's own view of the latest invoice"),
        ("default_payment_method", "STRING", "invoice_settings.default_payment_method, pm_..."),
        ("default_payment_method_type", "STRING", "Its type: card, paypal, sepa_debit"),
        _METADATA,
    ),
)
STRIPE_SUBSCRIPTIONS = Table(
    "stripe_subscriptions",
    "Subscriptions at Stripe, ended ones as well.",
    "customer",
    "customer",
    _columns(
        ("id", "STRING", "sub_..."),
        ("created", "TIMESTAMP", "When it was made"),
        _CUSTOMER,
        ("status", "STRING", "incomplete, incomplete_expired, trialing, active, past_due, canceled, unpaid or paused"),
        ("currency", "STRING", "Currency, lower case"),
        ("collection_method", "STRING", "charge_automatically or send_invoice"),
        ("default_payment_method", "STRING", "Its own payment method, pm_...; NULL: the customer's"),
        ("default_payment_method_type", "STRING", "Its type: card, paypal, sepa_debit"),
        ("latest_invoice", "STRING", "in_..."),
        ("billing_cycle_anchor", "TIMESTAMP", "What renewals are counted from"),
        ("start_date", "TIMESTAMP", "When it began"),
        ("current_period_start", "TIMESTAMP", "When the running period of its first item began"),
        ("current_period_end", "TIMESTAMP", "When that period ends: the next invoice"),
        ("cancel_at_period_end", "BOOL", "It ends with the running period"),
        ("canceled_at", "TIMESTAMP", "When its end was asked for"),
        ("ended_at", "TIMESTAMP", "When it ended"),
        ("trial_end", "TIMESTAMP", "When its trial ends or ended"),
        ("pending_update", "STRING", "What becomes of it once the latest invoice is paid, one JSON object; NULL: nothing waits"),
        _METADATA,
    ),
)
STRIPE_SUBSCRIPTION_ITEMS = Table(
    "stripe_subscription_items",
    "Line items of the subscriptions at Stripe, each with what its price says.",
    "customer",
    "customer",
    _columns(
        ("id", "STRING", "si_..."),
        ("created", "TIMESTAMP", "When it was made"),
        ("subscription", "STRING", "sub_..."),
        ("customer", "STRING", "The subscription's customer, cus_..."),
        ("price", "STRING", "price_..."),
        ("product", "STRING", "The price's product"),
        ("unit_amount", "INT64", "The price for one"),
        ("billing_interval", "STRING", "month or year"),
        ("quantity", "INT64", "How many"),
        _METADATA,
    ),
)
STRIPE_PRICES = Table(
    "stripe_prices",
    "All prices at Stripe. The price of OPE's plan p is price_p.",
    "",
    "",
    _columns(
        ("id", "STRING", "price_..."),
        ("created", "TIMESTAMP", "When it was made"),
        ("active", "BOOL", "It can be bought"),
        ("currency", "STRING", "Currency, lower case"),
        ("product", "STRING", "Its product"),
        ("unit_amount", "INT64", "For one"),
        ("billing_interval", "STRING", "month or year; NULL: it does not recur"),
        ("interval_count", "INT64", "Every so many intervals"),
        _METADATA,
    ),
)
STRIPE_INVOICES = Table(
    "stripe_invoices",
    "Invoices at Stripe, each with how its latest payment intent stands.",
    "customer",
    "customer",
    _columns(
        ("id", "STRING", "in_..."),
        ("created", "TIMESTAMP", "When it was made"),
        _CUSTOMER,
        ("subscription", "STRING", "sub_..."),
        ("status", "STRING", "draft, open, paid, void or uncollectible"),
        ("billing_reason", "STRING", "subscription_create, subscription_cycle, subscription_update or manual"),
        ("collection_method", "STRING", "charge_automatically or send_invoice"),
        ("currency", "STRING", "Currency, lower case"),
        ("total", "INT64", "Sum of its lines"),
        ("amount_due", "INT64", "To be paid when it was finalised, after credit"),
        ("amount_paid", "INT64", "Paid of that"),
        ("amount_remaining", "INT64", "Left of that"),
        ("attempt_count", "INT64", "Payments tried, by the schedule"),
        ("attempted", "BOOL", "Whether any was, by whomever"),
        ("due_date", "TIMESTAMP", "Until when it is to be paid, if it was sent"),
        ("next_payment_attempt", "TIMESTAMP", "When the schedule tries next; NULL: it does not"),
        ("period_start", "TIMESTAMP", "From when it bills"),
        ("period_end", "TIMESTAMP", "Until when it bills"),
        ("finalized_at", "TIMESTAMP", "When it became open"),
        ("marked_uncollectible_at", "TIMESTAMP", "When it was given up"),
        ("paid_at", "TIMESTAMP", "When it was paid"),
        ("voided_at", "TIMESTAMP", "When it was voided"),
        ("payment_intent", "STRING", "The latest of its payments, pi_..."),
        ("payment_intent_status", "STRING", "requires_payment_method, requires_action, processing, canceled or succeeded"),
        _METADATA,
    ),
)
STRIPE_CHARGES = Table(
    "stripe_charges",
    "Attempts to take money at Stripe, failed ones as well, each with the invoice that it was to pay.",
    "customer",
    "customer",
    _columns(
        ("id", "STRING", "ch_..."),
        ("created", "TIMESTAMP", "When it was tried"),
        _CUSTOMER,
        ("invoice", "STRING", "in_..., through the invoice's payments; NULL: none"),
        ("payment_intent", "STRING", "pi_..."),
        ("payment_method", "STRING", "pm_..."),
        ("payment_method_type", "STRING", "Its type: card, paypal, sepa_debit"),
        ("amount", "INT64", "What was to be taken"),
        ("amount_refunded", "INT64", "Given back of it"),
        ("currency", "STRING", "Currency, lower case"),
        ("status", "STRING", "succeeded, pending or failed"),
        ("paid", "BOOL", "It succeeded"),
        ("refunded", "BOOL", "All of it was given back"),
        ("disputed", "BOOL", "The customer's bank was asked to take it back"),
        ("failure_code", "STRING", "Why it failed"),
        _METADATA,
    ),
)
OPE_SUBSCRIPTIONS = Table(
    "ope_subscriptions",
    "The engine's subscriptions of record: what was bought.",
    "account",
    "account",
    _columns(
        _ACCOUNT,
        ("id", "STRING", "ope_..."),
        ("status", "STRING", "active, canceled, or pending for a purchase that is not confirmed"),
        ("billing_interval", "STRING", "month or year"),
        ("stripe_subscription", "STRING", "Its counterpart at Stripe, sub_..."),
        ("change_request", "STRING", "The request of a change that is not through; NULL: there is none. Its items are ope_items of stage scheduled"),
        ("change_due", "TIMESTAMP", "From when the change stands; NULL: once it is through"),
        ("change_interval", "STRING", "month or year, from then on"),
        ("change_grows", "BOOL", "It stands at Stripe first, paid for; otherwise in OPE first"),
        ("change_asked", "BOOL", "Stripe holds the change already"),
    ),
)
OPE_ITEMS = Table(
    "ope_items",
    "Line items of record. A change without items ends its subscription.",
    "account",
    "account",
    _columns(
        _ACCOUNT,
        ("subscription", "STRING", "ope_..."),
        ("stage", "STRING", "current, or scheduled: what is to stand once the change is through"),
        ("product", "STRING", "What was bought"),
        ("plan", "STRING", "On which plan; its price at Stripe is price_<plan>"),
        ("price", "INT64", "For one, each interval"),
        ("quantity", "INT64", "How many"),
    ),
)
WWW_ZONES = Table(
    "www_zones",
    "Zones with their plan levels, which follow the account's plan of the product zone_plan.",
    "account",
    "account",
    _columns(_ACCOUNT, ("zone", "STRING", "Domain name"), ("plan", "STRING", "Plan level: a plan's name, free or none")),
)
SUBS_ACCOUNT = Table(
    "subs_account",
    "Billing profiles.",
    "account",
    "account",
    _columns(
        _ACCOUNT,
        ("name", "STRING", "Name"),
        ("email", "STRING", "Address"),
        ("country", "STRING", "Two letters"),
        ("account_type", "STRING", "self_serve, or a contract type"),
        ("flags", "INT64", "Bit 15 (32768) is bad_debt, bit 14 (16384) has_no_successful_payment, unless ops.policy says otherwise"),
    ),
)
SUBS_DUNNING = Table(
    "subs_dunning",
    "Where the engine keeps dunning.",
    "account",
    "account",
    _columns(
        _ACCOUNT,
        ("status", "STRING", "healthy, retrying, delinquent or bad_debt"),
        ("retry_count", "INT64", "Attempts on the invoice that was tried most"),
        ("escalation_level", "INT64", "0 healthy, 1 notified, 2 again, 3 flagged and cancelled, 4 banned"),
        ("since", "TIMESTAMP", "When the status was entered"),
        ("intent", "STRING", "Steps that a running apply has noted, one JSON array of strings"),
        ("done", "STRING", "Consequences that were executed, one JSON array of strings such as in_ada_1/bad_debt"),
        ("next_boundary", "TIMESTAMP", "When the engine wakes by the clock"),
    ),
)
SUBS_CUSTOMER = Table(
    "subs_customer",
    "Which Stripe customer an account is.",
    "account",
    "account",
    _columns(
        _ACCOUNT,
        ("stripe_customer", "STRING", "cus_...; NULL: Stripe does not know the account"),
        ("checkout_plan", "STRING", "Plan of the last checkout"),
        ("braintree_paid", "BOOL", "A PayPal charge of old succeeded outside Stripe"),
        ("payment_method", "STRING", "The default one, as last noted; NULL: never noted"),
        ("vault", "STRING", "braintree where PayPal was vaulted through the wrong token; NULL: Stripe's"),
    ),
)
CF_PROD = Table(
    "cf_prod",
    "Entitlements.",
    "account",
    "account",
    _columns(_ACCOUNT, ("product", "STRING", "Which product"), ("plan", "STRING", "On which plan it may be used; free or none")),
)
BILLING_PROD = Table(
    "billing_prod",
    "The financial audit trail, append only. Of the entries of one object the last by sequence tells its state.",
    "account",
    "account",
    _columns(
        _ACCOUNT,
        ("id", "STRING", "Names object, status and amounts"),
        ("sequence", "INT64", "Orders the entries of the account, from 1"),
        ("kind", "STRING", "invoice or charge"),
        ("object_id", "STRING", "in_... or ch_..."),
        ("status", "STRING", "The object's status at Stripe"),
        ("currency", "STRING", "Currency, lower case"),
        ("amount_due", "INT64", "An invoice's amount_due, a charge's amount"),
        ("amount_paid", "INT64", "An invoice's amount_paid; a charge's amount where it succeeded"),
        ("amount_remaining", "INT64", "An invoice's amount_remaining; 0 of a charge"),
    ),
)
YESTERDAY_DRIFT = Table(
    "yesterday_drift",
    "What the night before detected: what is new tonight is what is not here.",
    "",
    "",
    _columns(
        _ACCOUNT,
        ("code", "STRING", "Stable code of the drift"),
        ("entity", "STRING", "What of the account drifted"),
        ("detail", "STRING", "What is wrong"),
    ),
    OPS,
)
POLICY = Table(
    "policy",
    "The figures of the dunning policy that the platform follows: one row.",
    "",
    "",
    _columns(
        ("bad_debt_bit", "INT64", "Number of the bit of subs_account.flags that says bad_debt"),
        ("no_success_bit", "INT64", "Number of the bit that says has_no_successful_payment"),
        ("bad_debt_key", "STRING", "Metadata key of customers and invoices that are bad debt"),
        ("bad_debt_since_key", "STRING", "Metadata key of customers: since when"),
        ("bad_debt_amount_key", "STRING", "Metadata key of invoices: how much"),
        ("no_success_key", "STRING", "Metadata key of customers who never paid"),
        ("account_type_key", "STRING", "Metadata key of customers: the account's type"),
        ("max_attempts", "INT64", "After so many the schedule gives up"),
        ("grace_ms", "INT64", "How long a debt that nobody collects any more is not bad, for instruments that policy_grace does not name"),
        ("ban_after_ms", "INT64", "How long it is bad before the account is banned"),
    ),
    OPS,
)
POLICY_GRACE = Table(
    "policy_grace",
    "How long a debt that nobody collects any more is not bad, for instruments that have their own.",
    "",
    "",
    _columns(("instrument", "STRING", "card, paypal, sepa_debit"), ("grace_ms", "INT64", "So long")),
    OPS,
)
POLICY_CONTRACT_TYPES = Table(
    "policy_contract_types",
    "The account types that contract paths take care of.",
    "",
    "",
    _columns(("account_type", "STRING", "The type"),),
    OPS,
)

# In the order in which a night's mirror takes them.
TABLES: tuple[Table, ...] = (
    STRIPE_CUSTOMERS,
    STRIPE_SUBSCRIPTIONS,
    STRIPE_SUBSCRIPTION_ITEMS,
    STRIPE_PRICES,
    STRIPE_INVOICES,
    STRIPE_CHARGES,
    OPE_SUBSCRIPTIONS,
    OPE_ITEMS,
    WWW_ZONES,
    SUBS_ACCOUNT,
    SUBS_DUNNING,
    SUBS_CUSTOMER,
    CF_PROD,
    BILLING_PROD,
)
# What is told besides, and mirrors nothing.
TOLD: tuple[Table, ...] = (YESTERDAY_DRIFT, POLICY, POLICY_GRACE, POLICY_CONTRACT_TYPES)
