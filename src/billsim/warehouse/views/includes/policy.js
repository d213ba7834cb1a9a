// What the platform takes a status of Stripe's for. When an account owes, is flagged and banned, ops.policy says, which a view joins as `policy`.
// What bills at Stripe, or will bill again.
const live = ["trialing", "active", "past_due", "unpaid", "paused"];
const ended = ["canceled", "incomplete_expired"];
// The product whose plan is the plan level of an account's zones.
const levelProduct = "zone_plan";

const list = (values) => `(${values.map((value) => `'${value}'`).join(", ")})`;
const flag = (flags, bit) => `(${flags} & (1 << policy.${bit})) != 0`;
// What a key of some metadata says; an empty value is an absent key.
const said = (metadata, key) => `NULLIF(JSON_VALUE(PARSE_JSON(${metadata})[policy.${key}]), '')`;

module.exports = { live, ended, levelProduct, list, flag, said };
