// A recompute brain in JavaScript, for `billsim run SCENARIO --engine 'cmd:node brain.mjs'`. It needs Node.js 18 or newer and no packages.
//
// It speaks the decide form of billsim's protocol: one JSON object a line on standard input, one on standard output, strictly in turn. It is told
// all that is stored of an account, and answers what the account's derived fields should be. billsim gathers and applies for it.

import { createInterface } from "node:readline";

const LEVELS = { healthy: 0, retrying: 1, delinquent: 2, bad_debt: 3 };
const BANNED = 4;

let policy;

async function converse() {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const question = JSON.parse(line);
    process.stdout.write(JSON.stringify({ n: question.n, ...answer(question) }) + "\n");
  }
}

function answer(question) {
  if (question.hello) {
    policy = question.hello.policy;
    return { protocol: 1, form: "decide" };
  }
  return { account: question.decide.account, decision: decide(question.decide) };
}

// What the account's derived fields should be: from its debts, their standing, the worst of them.
function decide(state) {
  if (!governed(state)) return { status: "healthy", applies: false };
  const now = state.now_ms;
  const invoices = Object.values(state.stripe.invoices);
  const debts = invoices.filter((invoice) => isDebt(state, invoice)).map((invoice) => standing(state, invoice));
  debts.sort((a, b) => LEVELS[b.status] - LEVELS[a.status] || a.invoice.created - b.invoice.created || (a.invoice.id < b.invoice.id ? -1 : 1));

  const status = debts.length ? debts[0].status : "healthy";
  const bad = debts.filter((debt) => debt.status === "bad_debt");
  const badSince = least(bad.map((debt) => debt.bad));
  const banned = badSince !== null && badSince + policy.ban_after_ms <= now;
  const level = banned ? BANNED : LEVELS[status];
  const neverPaid = hasNoSuccessfulPayment(state);
  return {
    status,
    retry_count: Math.max(0, ...debts.map((debt) => debt.invoice.attempt_count)),
    escalation_level: level,
    bad_debt: bad.length > 0,
    no_successful_payment: neverPaid,
    metadata: customerMetadata(state, badSince, neverPaid),
    invoice_metadata: invoiceMetadata(invoices, bad),
    entitlements: entitlements(state, level),
    consequences: consequences(state, debts, badSince, level),
    next_boundary_ms: nextBoundary(invoices, debts, badSince, now),
  };
}

// Contract accounts are handled by hand; merged accounts and those that Stripe does not know are ambiguous.
function governed(state) {
  const { subs_account: profile, subs_customer: mapping } = state.stores;
  if (profile && policy.contract_types.includes(profile.account_type)) return false;
  const sharers = state.shared_with.filter((account) => account !== state.account);
  return Boolean(mapping && mapping.stripe_customer && state.stripe.customer) && sharers.length === 0;
}

// ---- what is owed

function isDebt(state, invoice) {
  if (!["open", "uncollectible"].includes(invoice.status) || invoice.amount_remaining <= 0) return false;
  const due = invoice.due_date !== null && invoice.due_date * 1000 <= state.now_ms;
  if (!attempted(invoice) && !due) return false;
  const subscription = subscriptionOf(state, invoice);
  const abandoned = subscription && ["incomplete", "incomplete_expired"].includes(subscription.status);
  if (invoice.billing_reason === "subscription_create" && abandoned) return false;
  if (invoice.billing_reason === "subscription_update" && awaitsUpdate(state, invoice)) return false;
  const intent = latestIntent(state, invoice);
  return !(intent && intent.status === "processing" && failedCharges(state, invoice).length === 0);
}

const attempted = (invoice) => invoice.attempted || invoice.attempt_count >= 1;

const awaitsUpdate = (state, invoice) =>
  Object.values(state.stripe.subscriptions).some((each) => each.latest_invoice === invoice.id && each.pending_update !== null);

const subscriptionOf = (state, invoice) => state.stripe.subscriptions[invoice.parent?.subscription_details?.subscription] ?? null;

const latestIntent = (state, invoice) => state.stripe.payment_intents[invoice.payments.at(-1)?.payment_intent] ?? null;

function chargesOf(state, invoice) {
  const intents = invoice.payments.map((payment) => payment.payment_intent);
  const charges = Object.values(state.stripe.charges).filter((charge) => intents.includes(charge.payment_intent));
  return charges.sort((a, b) => a.created - b.created);
}

const failedCharges = (state, invoice) => chargesOf(state, invoice).filter((charge) => charge.status === "failed");

// ---- how a debt stands: nobody collects it any more from `exhausted` on, and it is bad from `bad` on (milliseconds; null: not by the clock)

function standing(state, invoice) {
  const exhausted = exhaustedAt(state, invoice);
  const marked = invoice.status_transitions.marked_uncollectible_at ?? invoice.created;
  const bad = least([
    invoice.status === "uncollectible" ? marked * 1000 : null,
    exhausted === null ? null : exhausted + graceOf(instrumentOf(state, invoice, chargesOf(state, invoice))),
  ]);
  const past = (instant) => instant !== null && instant <= state.now_ms;
  return { invoice, exhausted, bad, status: past(bad) ? "bad_debt" : past(exhausted) ? "delinquent" : "retrying" };
}

function exhaustedAt(state, invoice) {
  if (invoice.collection_method === "send_invoice" && invoice.due_date !== null) return invoice.due_date * 1000;
  if (invoice.next_payment_attempt !== null) return null;
  if (latestIntent(state, invoice)?.status === "requires_action") return null;
  const failed = lastFailed(state, invoice);
  const subscription = subscriptionOf(state, invoice);
  const ended = subscription?.status === "canceled" && invoice.attempt_count < policy.max_attempts;
  return (ended ? Math.max(failed, subscription.canceled_at ?? 0) : failed) * 1000;
}

const lastFailed = (state, invoice) =>
  failedCharges(state, invoice).at(-1)?.created ?? (invoice.status_transitions.finalized_at || invoice.created);

const graceOf = (instrument) => policy.grace_ms[instrument] ?? policy.grace_ms.default;

function instrumentOf(state, invoice, charges) {
  const named = [
    charges.at(-1)?.payment_method,
    subscriptionOf(state, invoice)?.default_payment_method,
    state.stripe.customer.invoice_settings.default_payment_method,
  ];
  return named.map((id) => state.stripe.payment_methods[id]?.type).find(Boolean) ?? "card";
}

// ---- what follows

function hasNoSuccessfulPayment(state) {
  const charges = Object.values(state.stripe.charges).filter((charge) => charge.amount > 0);
  if (charges.some((charge) => charge.status === "succeeded") || state.stores.subs_customer.braintree_paid) return false;
  return charges.length > 0 || Object.values(state.stripe.invoices).some((invoice) => invoice.total > 0 && attempted(invoice));
}

function customerMetadata(state, badSince, neverPaid) {
  const keys = {};
  if (state.stores.subs_account) keys[policy.account_type_key] = state.stores.subs_account.account_type;
  if (badSince !== null) {
    keys[policy.bad_debt_key] = "true";
    keys[policy.bad_debt_since_key] = String(Math.floor(badSince / 1000));
  }
  if (neverPaid) keys[policy.no_success_key] = "true";
  return keys;
}

// The governed keys of each invoice that has any, or should.
function invoiceMetadata(invoices, bad) {
  const wanted = {};
  for (const invoice of invoices) {
    if (invoice.metadata[policy.bad_debt_key] || invoice.metadata[policy.bad_debt_amount_key]) wanted[invoice.id] = {};
  }
  for (const { invoice } of bad) {
    wanted[invoice.id] = { [policy.bad_debt_key]: "true", [policy.bad_debt_amount_key]: String(invoice.amount_remaining) };
  }
  return wanted;
}

// What was bought; free while the debt is bad, nothing once banned. A live subscription outranks a canceled one of the same product.
function entitlements(state, level) {
  const plans = {};
  const bought = Object.values(state.stores.ope);
  for (const live of [false, true]) {
    for (const subscription of bought.filter((each) => (each.status === "active") === live)) {
      for (const item of subscription.items) plans[item.product] = live ? item.plan : "free";
    }
  }
  if (level >= LEVELS.bad_debt) {
    for (const product of Object.keys(plans)) plans[product] = level === BANNED ? "none" : "free";
  }
  return plans;
}

// The next instant at which the clock alone changes the decision.
function nextBoundary(invoices, debts, badSince, now) {
  const instants = debts.flatMap((debt) => [debt.exhausted, debt.bad]);
  if (badSince !== null) instants.push(badSince + policy.ban_after_ms);
  for (const invoice of invoices) {
    const owed = ["open", "uncollectible"].includes(invoice.status) && invoice.amount_remaining > 0;
    if (invoice.due_date !== null && owed) instants.push(invoice.due_date * 1000);
  }
  return least(instants.filter((instant) => instant !== null && instant > now));
}

const least = (instants) => instants.reduce((a, b) => (a === null || (b !== null && b < a) ? b : a), null);

// ---- consequences: what is called for and not yet done, in the order in which it is to happen

function consequences(state, debts, badSince, level) {
  const done = state.stores.subs_dunning?.done ?? [];
  const called = [...unban(done, level), ...recovered(state, level), ...escalation(state, done, debts, badSince, level)];
  return called.filter((consequence) => !done.includes(consequence.key));
}

const say = (kind, debt, step, key, subscription = "") => ({ kind, debt, step, key: `${debt}/${key}`, subscription });

function escalation(state, done, debts, badSince, level) {
  if (debts.length === 0) return [];
  const debt = debts[0].invoice.id;
  if (badSince === null) return [say("notify", debt, debts[0].status, debts[0].status)];
  const called = flagged(state, done, badSince) ? [] : [say("flag", debt, "bad_debt", "bad_debt")];
  for (const [key, bought] of Object.entries(state.stores.ope)) {
    const counterpart = state.stripe.subscriptions[bought.stripe_subscription];
    const latest = state.stripe.invoices[counterpart?.latest_invoice];
    const settled = latest && ["paid", "void"].includes(latest.status);
    if (bought.status === "active" && counterpart && !settled) called.push(say("cancel", debt, "bad_debt", `cancel/${key}`, key));
  }
  if (level === BANNED) called.push(say("ban", debt, "bad_debt", "ban"));
  return called;
}

// Whether the episode has had its flag: for a debt that is still owed, or for one settled after today's oldest had turned bad.
function flagged(state, done, badSince) {
  return Object.values(state.stripe.invoices).some((invoice) => {
    if (!done.includes(`${invoice.id}/bad_debt`)) return false;
    const at = invoice.status_transitions;
    const settled = invoice.status === "void" ? at.voided_at : at.paid_at;
    return ["open", "uncollectible"].includes(invoice.status) || (settled !== null && settled * 1000 >= badSince);
  });
}

// The good news about the latest bad debt that was paid; never about one that was voided.
function recovered(state, level) {
  if (level >= LEVELS.bad_debt) return [];
  const paid = Object.values(state.stripe.invoices).filter((invoice) => wasBad(state, invoice));
  paid.sort((a, b) => a.status_transitions.paid_at - b.status_transitions.paid_at || a.created - b.created || (a.id < b.id ? -1 : 1));
  return paid.length ? [say("notify", paid.at(-1).id, "recovered", "recovered")] : [];
}

function wasBad(state, invoice) {
  const at = invoice.status_transitions;
  if (invoice.status !== "paid" || at.paid_at === null) return false;
  if (at.marked_uncollectible_at !== null && at.marked_uncollectible_at <= at.paid_at) return true;
  if (invoice.attempt_count < policy.max_attempts) return false;
  const grace = graceOf(instrumentOf(state, invoice, failedCharges(state, invoice)));
  return lastFailed(state, invoice) * 1000 + grace <= at.paid_at * 1000;
}

// Every ban that was carried out is lifted once the account is no longer to be banned.
function unban(done, level) {
  if (level === BANNED) return [];
  return done.filter((key) => key.endsWith("/ban")).map((key) => say("unban", key.slice(0, -"/ban".length), "bad_debt", "unban"));
}

await converse();
