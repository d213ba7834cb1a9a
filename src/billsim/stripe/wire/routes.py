"""One table of the API: (HTTP method, path) <-> the core's name of the request, its parameters in the SDK, and what it answers.

Names are the SDK's services (`invoices.add_lines` is `client.v1.invoices.add_lines`), paths are those of https://docs.stripe.com/api. In a path
`{id}` is the object that the core is called with; any other placeholder (`{customer}`) names the object's owner and becomes a parameter of that name:

    GET /v1/customers/cus_1/sources/card_1  <->  call("customers.payment_sources.retrieve", "card_1", {"customer": "cus_1"})
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote


class Route(NamedTuple):
    """A request of the API. `params` names the SDK's TypedDict, `answers` the kind of object (of each, where it `lists`; of the stub, where it
    `deletes`).
    """

    name: str
    method: str
    path: str
    params: str
    answers: str
    lists: bool = False
    deletes: bool = False

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET" or self.name in PREVIEWS

    @property
    def owners(self) -> tuple[str, ...]:
        """The parameters that stand in the path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{") and part != "{id}")

    @property
    def takes_id(self) -> bool:
        """Whether the path names the object itself."""
        return "{id}" in self.path


class Matched(NamedTuple):
    """A route, and what a path says: the object's id ('' for none), and its owners by name."""

    route: Route
    id: str
    owners: dict[str, str]


# Requests by POST that only look.
PREVIEWS = frozenset({"invoices.create_preview"})

# name | method | path | parameters | kind, followed by `[]` for a list and `-` for what is deleted
_TABLE = """
customers.create                   POST   /v1/customers                                   CustomerCreateParams                  customer
customers.retrieve                 GET    /v1/customers/{id}                              CustomerRetrieveParams                customer
customers.update                   POST   /v1/customers/{id}                              CustomerUpdateParams                  customer
customers.delete                   DELETE /v1/customers/{id}                              CustomerDeleteParams                  customer-
customers.list                     GET    /v1/customers                                   CustomerListParams                    customer[]
customers.payment_methods.list     GET    /v1/customers/{customer}/payment_methods        CustomerPaymentMethodListParams       payment_method[]
customers.payment_methods.retrieve GET    /v1/customers/{customer}/payment_methods/{id}   CustomerPaymentMethodRetrieveParams   payment_method
customers.payment_sources.create   POST   /v1/customers/{customer}/sources                CustomerPaymentSourceCreateParams     card
customers.payment_sources.retrieve GET    /v1/customers/{customer}/sources/{id}           CustomerPaymentSourceRetrieveParams   card
customers.payment_sources.update   POST   /v1/customers/{customer}/sources/{id}           CustomerPaymentSourceUpdateParams     card
customers.payment_sources.delete   DELETE /v1/customers/{customer}/sources/{id}           CustomerPaymentSourceDeleteParams     card-
customers.payment_sources.list     GET    /v1/customers/{customer}/sources                CustomerPaymentSourceListParams       card[]
customers.balance_transactions.create POST /v1/customers/{customer}/balance_transactions \
    CustomerBalanceTransactionCreateParams customer_balance_transaction
customers.balance_transactions.retrieve GET /v1/customers/{customer}/balance_transactions/{id} \
    CustomerBalanceTransactionRetrieveParams customer_balance_transaction
customers.balance_transactions.update POST /v1/customers/{customer}/balance_transactions/{id} \
    CustomerBalanceTransactionUpdateParams customer_balance_transaction
customers.balance_transactions.list GET /v1/customers/{customer}/balance_transactions \
    CustomerBalanceTransactionListParams customer_balance_transaction[]
sources.create                     POST   /v1/sources                                     SourceCreateParams                    source
sources.retrieve                   GET    /v1/sources/{id}                                SourceRetrieveParams                  source
sources.detach                     DELETE /v1/customers/{customer}/sources/{id}           SourceDetachParams                    source-
sources.update                     POST   /v1/sources/{id}                                SourceUpdateParams                    source
payment_methods.create             POST   /v1/payment_methods                             PaymentMethodCreateParams             payment_method
payment_methods.retrieve           GET    /v1/payment_methods/{id}                        PaymentMethodRetrieveParams           payment_method
payment_methods.update             POST   /v1/payment_methods/{id}                        PaymentMethodUpdateParams             payment_method
payment_methods.list               GET    /v1/payment_methods                             PaymentMethodListParams               payment_method[]
payment_methods.attach             POST   /v1/payment_methods/{id}/attach                 PaymentMethodAttachParams             payment_method
payment_methods.detach             POST   /v1/payment_methods/{id}/detach                 PaymentMethodDetachParams             payment_method
products.create                    POST   /v1/products                                    ProductCreateParams                   product
products.retrieve                  GET    /v1/products/{id}                               ProductRetrieveParams                 product
products.update                    POST   /v1/products/{id}                               ProductUpdateParams                   product
products.delete                    DELETE /v1/products/{id}                               ProductDeleteParams                   product-
products.list                      GET    /v1/products                                    ProductListParams                     product[]
prices.create                      POST   /v1/prices                                      PriceCreateParams                     price
prices.retrieve                    GET    /v1/prices/{id}                                 PriceRetrieveParams                   price
prices.update                      POST   /v1/prices/{id}                                 PriceUpdateParams                     price
prices.list                        GET    /v1/prices                                      PriceListParams                       price[]
subscriptions.create               POST   /v1/subscriptions                               SubscriptionCreateParams              subscription
subscriptions.retrieve             GET    /v1/subscriptions/{id}                          SubscriptionRetrieveParams            subscription
subscriptions.update               POST   /v1/subscriptions/{id}                          SubscriptionUpdateParams              subscription
subscriptions.cancel               DELETE /v1/subscriptions/{id}                          SubscriptionCancelParams              subscription
subscriptions.pause                POST   /v1/subscriptions/{id}/pause                    SubscriptionPauseParams               subscription
subscriptions.resume               POST   /v1/subscriptions/{id}/resume                   SubscriptionResumeParams              subscription
subscriptions.migrate              POST   /v1/subscriptions/{id}/migrate                  SubscriptionMigrateParams             subscription
subscriptions.list                 GET    /v1/subscriptions                               SubscriptionListParams                subscription[]
subscription_items.create          POST   /v1/subscription_items                          SubscriptionItemCreateParams          subscription_item
subscription_items.retrieve        GET    /v1/subscription_items/{id}                     SubscriptionItemRetrieveParams        subscription_item
subscription_items.update          POST   /v1/subscription_items/{id}                     SubscriptionItemUpdateParams          subscription_item
subscription_items.delete          DELETE /v1/subscription_items/{id}                     SubscriptionItemDeleteParams          subscription_item-
subscription_items.list            GET    /v1/subscription_items                          SubscriptionItemListParams            subscription_item[]
invoices.create                    POST   /v1/invoices                                    InvoiceCreateParams                   invoice
invoices.create_preview            POST   /v1/invoices/create_preview                     InvoiceCreatePreviewParams            invoice
invoices.retrieve                  GET    /v1/invoices/{id}                               InvoiceRetrieveParams                 invoice
invoices.update                    POST   /v1/invoices/{id}                               InvoiceUpdateParams                   invoice
invoices.delete                    DELETE /v1/invoices/{id}                               InvoiceDeleteParams                   invoice-
invoices.list                      GET    /v1/invoices                                    InvoiceListParams                     invoice[]
invoices.finalize_invoice          POST   /v1/invoices/{id}/finalize                      InvoiceFinalizeInvoiceParams          invoice
invoices.pay                       POST   /v1/invoices/{id}/pay                           InvoicePayParams                      invoice
invoices.attach_payment            POST   /v1/invoices/{id}/attach_payment                InvoiceAttachPaymentParams            invoice
invoices.send_invoice              POST   /v1/invoices/{id}/send                          InvoiceSendInvoiceParams              invoice
invoices.void_invoice              POST   /v1/invoices/{id}/void                          InvoiceVoidInvoiceParams              invoice
invoices.mark_uncollectible        POST   /v1/invoices/{id}/mark_uncollectible            InvoiceMarkUncollectibleParams        invoice
invoices.add_lines                 POST   /v1/invoices/{id}/add_lines                     InvoiceAddLinesParams                 invoice
invoices.remove_lines              POST   /v1/invoices/{id}/remove_lines                  InvoiceRemoveLinesParams              invoice
invoices.update_lines              POST   /v1/invoices/{id}/update_lines                  InvoiceUpdateLinesParams              invoice
invoices.line_items.list           GET    /v1/invoices/{invoice}/lines                    InvoiceLineItemListParams             line_item[]
invoices.line_items.update         POST   /v1/invoices/{invoice}/lines/{id}               InvoiceLineItemUpdateParams           line_item
invoice_items.create               POST   /v1/invoiceitems                                InvoiceItemCreateParams               invoiceitem
invoice_items.retrieve             GET    /v1/invoiceitems/{id}                           InvoiceItemRetrieveParams             invoiceitem
invoice_items.update               POST   /v1/invoiceitems/{id}                           InvoiceItemUpdateParams               invoiceitem
invoice_items.delete               DELETE /v1/invoiceitems/{id}                           InvoiceItemDeleteParams               invoiceitem-
invoice_items.list                 GET    /v1/invoiceitems                                InvoiceItemListParams                 invoiceitem[]
invoice_payments.retrieve          GET    /v1/invoice_payments/{id}                       InvoicePaymentRetrieveParams          invoice_payment
invoice_payments.list              GET    /v1/invoice_payments                            InvoicePaymentListParams              invoice_payment[]
payment_intents.create             POST   /v1/payment_intents                             PaymentIntentCreateParams             payment_intent
payment_intents.retrieve           GET    /v1/payment_intents/{id}                        PaymentIntentRetrieveParams           payment_intent
payment_intents.update             POST   /v1/payment_intents/{id}                        PaymentIntentUpdateParams             payment_intent
payment_intents.list               GET    /v1/payment_intents                             PaymentIntentListParams               payment_intent[]
payment_intents.confirm            POST   /v1/payment_intents/{id}/confirm                PaymentIntentConfirmParams            payment_intent
payment_intents.capture            POST   /v1/payment_intents/{id}/capture                PaymentIntentCaptureParams            payment_intent
payment_intents.cancel             POST   /v1/payment_intents/{id}/cancel                 PaymentIntentCancelParams             payment_intent
setup_intents.create               POST   /v1/setup_intents                               SetupIntentCreateParams               setup_intent
setup_intents.retrieve             GET    /v1/setup_intents/{id}                          SetupIntentRetrieveParams             setup_intent
setup_intents.update               POST   /v1/setup_intents/{id}                          SetupIntentUpdateParams               setup_intent
setup_intents.list                 GET    /v1/setup_intents                               SetupIntentListParams                 setup_intent[]
setup_intents.confirm              POST   /v1/setup_intents/{id}/confirm                  SetupIntentConfirmParams              setup_intent
setup_intents.cancel               POST   /v1/setup_intents/{id}/cancel                   SetupIntentCancelParams               setup_intent
mandates.retrieve                  GET    /v1/mandates/{id}                               MandateRetrieveParams                 mandate
charges.create                     POST   /v1/charges                                     ChargeCreateParams                    charge
charges.retrieve                   GET    /v1/charges/{id}                                ChargeRetrieveParams                  charge
charges.update                     POST   /v1/charges/{id}                                ChargeUpdateParams                    charge
charges.list                       GET    /v1/charges                                     ChargeListParams                      charge[]
charges.capture                    POST   /v1/charges/{id}/capture                        ChargeCaptureParams                   charge
refunds.create                     POST   /v1/refunds                                     RefundCreateParams                    refund
refunds.retrieve                   GET    /v1/refunds/{id}                                RefundRetrieveParams                  refund
refunds.update                     POST   /v1/refunds/{id}                                RefundUpdateParams                    refund
refunds.list                       GET    /v1/refunds                                     RefundListParams                      refund[]
refunds.cancel                     POST   /v1/refunds/{id}/cancel                         RefundCancelParams                    refund
disputes.retrieve                  GET    /v1/disputes/{id}                               DisputeRetrieveParams                 dispute
disputes.update                    POST   /v1/disputes/{id}                               DisputeUpdateParams                   dispute
disputes.list                      GET    /v1/disputes                                    DisputeListParams                     dispute[]
disputes.close                     POST   /v1/disputes/{id}/close                         DisputeCloseParams                    dispute
credit_notes.create                POST   /v1/credit_notes                                CreditNoteCreateParams                credit_note
credit_notes.retrieve              GET    /v1/credit_notes/{id}                           CreditNoteRetrieveParams              credit_note
credit_notes.update                POST   /v1/credit_notes/{id}                           CreditNoteUpdateParams                credit_note
credit_notes.list                  GET    /v1/credit_notes                                CreditNoteListParams                  credit_note[]
credit_notes.void_credit_note      POST   /v1/credit_notes/{id}/void                      CreditNoteVoidCreditNoteParams        credit_note
events.retrieve                    GET    /v1/events/{id}                                 EventRetrieveParams                   event
events.list                        GET    /v1/events                                      EventListParams                       event[]
webhook_endpoints.create           POST   /v1/webhook_endpoints                           WebhookEndpointCreateParams           webhook_endpoint
webhook_endpoints.retrieve         GET    /v1/webhook_endpoints/{id}                      WebhookEndpointRetrieveParams         webhook_endpoint
webhook_endpoints.update           POST   /v1/webhook_endpoints/{id}                      WebhookEndpointUpdateParams           webhook_endpoint
webhook_endpoints.delete           DELETE /v1/webhook_endpoints/{id}                      WebhookEndpointDeleteParams           webhook_endpoint-
webhook_endpoints.list             GET    /v1/webhook_endpoints                           WebhookEndpointListParams             webhook_endpoint[]
test_helpers.test_clocks.create    POST   /v1/test_helpers/test_clocks                    TestClockCreateParams                 test_clock
test_helpers.test_clocks.retrieve  GET    /v1/test_helpers/test_clocks/{id}               TestClockRetrieveParams               test_clock
test_helpers.test_clocks.advance   POST   /v1/test_helpers/test_clocks/{id}/advance       TestClockAdvanceParams                test_clock
test_helpers.test_clocks.delete    DELETE /v1/test_helpers/test_clocks/{id}               TestClockDeleteParams                 test_clock-
test_helpers.test_clocks.list      GET    /v1/test_helpers/test_clocks                    TestClockListParams                   test_clock[]
"""


def _route(line: str) -> Route:
    name, method, path, params, kind = line.split()
    return Route(name, method, path, params, kind.rstrip("[]-"), kind.endswith("[]"), kind.endswith("-"))


ROUTES: tuple[Route, ...] = tuple(_route(line) for line in _TABLE.strip().splitlines())
BY_NAME: Mapping[str, Route] = {route.name: route for route in ROUTES}


def find(method: str, path: str) -> Matched | None:
    """The route of a request, and what its path says; None where there is none. What stands literally goes before a placeholder."""
    parts = path.split("/")
    node: Any = _tree()
    values: list[str] = []
    for part in parts:
        if part in node:
            node = node[part]
        elif "{}" in node and part:
            values.append(unquote(part))
            node = node["{}"]
        else:
            return None
    route: Route | None = node.get(_METHODS, {}).get(method)
    if route is None:
        return None
    owners = dict(zip([p[1:-1] for p in route.path.split("/") if p.startswith("{")], values, strict=True))
    return Matched(route, owners.pop("id", ""), owners)


def methods(path: str) -> tuple[str, ...]:
    """The HTTP methods that a path knows, none where it is unknown."""
    return tuple(method for method in ("GET", "POST", "DELETE") if find(method, path))


def path_of(route: Route, id: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The way back: the path of a request, and the parameters that do not stand in it. Raises KeyError for an owner that is not given."""
    rest = dict(params)
    parts = []
    for part in route.path.split("/"):
        value = id if part == "{id}" else rest.pop(part[1:-1]) if part.startswith("{") else None
        parts.append(part if value is None else quote(value, safe=""))
    return "/".join(parts), rest


_METHODS = "\0"


@cache
def _tree() -> dict[str, Any]:
    """The paths by their parts; a placeholder is `{}`. Of two names of one request the first in the table is called."""
    tree: dict[str, Any] = {}
    for route in ROUTES:
        node = tree
        for part in route.path.split("/"):
            node = node.setdefault("{}" if part.startswith("{") else part, {})
        node.setdefault(_METHODS, {}).setdefault(route.method, route)
    return tree
