// When an account owes, is chased, flagged and banned: the figures of the dunning policy that the engine follows.
const badDebtBit = 15;
const noSuccessBit = 14;
const graceDays = 7;
const graceDaysOf = { paypal: 10 };
const banAfterDays = 30;
const maxAttempts = 8;
const contractTypes = ["cloudflare_ent", "jdc", "sfcc", "ibm"];
// What bills at Stripe, or will bill again.
const live = ["trialing", "active", "past_due", "unpaid", "paused"];
const ended = ["canceled", "incomplete_expired"];
// The product whose plan is the plan level of an account's zones.
const levelProduct = "zone_plan";

const list = (values) => `(${values.map((value) => `'${value}'`).join(", ")})`;
const flag = (flags, bit) => `(${flags} & (1 << ${bit})) != 0`;
const grace = (instrument) =>
  `CASE ${instrument} ${Object.entries(graceDaysOf)
    .map(([kind, days]) => `WHEN '${kind}' THEN ${days}`)
    .join(" ")} ELSE ${graceDays} END`;

module.exports = {
  badDebtBit, noSuccessBit, graceDays, graceDaysOf, banAfterDays, maxAttempts, contractTypes, live, ended, levelProduct, list, flag, grace,
};
