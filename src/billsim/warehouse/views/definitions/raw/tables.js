// The tables that the nightly mirror fills.
const tables = {
  stripe_customers: "Customers at Stripe",
  stripe_subscriptions: "Subscriptions at Stripe, ended ones as well",
  stripe_subscription_items: "Line items of the subscriptions at Stripe",
  stripe_prices: "Prices at Stripe",
  stripe_invoices: "Invoices at Stripe",
  stripe_charges: "Attempts to take money at Stripe",
  ope_subscriptions: "The engine's subscriptions of record",
  ope_items: "Line items of record",
  www_zones: "Zones with their plan levels",
  subs_account: "Billing profiles and flags",
  subs_dunning: "Dunning state",
  subs_customer: "Which Stripe customer an account is",
  cf_prod: "Entitlements",
  billing_prod: "The financial audit trail, append only",
};
Object.entries(tables).forEach(([name, description]) => declare({ schema: "raw", name, description }));
declare({ schema: "ops", name: "yesterday_drift", description: "What the night before detected" });
declare({ schema: "ops", name: "policy", description: "The figures of the dunning policy that the platform follows: one row" });
declare({ schema: "ops", name: "policy_grace", description: "How long it waits, by instrument, where that is not as long as for the others" });
declare({ schema: "ops", name: "policy_contract_types", description: "The account types that contract paths take care of" });
