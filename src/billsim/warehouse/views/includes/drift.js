// What every drift view selects: who, which stable code, what of the account, and what is wrong with it.
const columns = {
  account: "The account",
  code: "Stable code of the drift",
  entity: "What of the account drifted: an object, a row, or a field",
  detail: "What is held, and what it should be",
  detected_date: "Day of the snapshot",
};
// Each code that a snapshot can show, and the views that look for it. That something was done without reason cannot be seen in one.
const viewsOf = {
  bad_debt_stuck: ["drift_bad_debt_stuck"],
  bad_debt_missed: ["drift_bad_debt_missed"],
  dunning_wrong: ["drift_dunning_wrong"],
  debt_flags_inconsistent: ["drift_debt_flags_inconsistent"],
  no_successful_payment_stuck: ["drift_no_successful_payment_stuck"],
  no_successful_payment_missed: ["drift_no_successful_payment_missed"],
  consequence_missing: ["drift_consequence_missing"],
  stripe_drift: ["stripe_drift_missing", "stripe_drift_ghost", "stripe_drift_terms"],
  www_drift: ["www_drift_zones"],
  entitlement_drift: ["drift_entitlement"],
  ledger_drift: ["drift_ledger"],
  profile_drift: ["drift_profile"],
  mapping_drift: ["drift_mapping"],
  account_type_drift: ["drift_account_type"],
  orphaned_state: ["drift_orphaned_state"],
};
const codes = Object.keys(viewsOf);
const views = Object.values(viewsOf).flat();

const row = (code, entity, detail, account = "account") =>
  `${account}, '${code}' AS code, ${entity} AS entity, ${detail} AS detail, CURRENT_DATE() AS detected_date`;
const text = (value) => `IFNULL(CAST(${value} AS STRING), 'absent')`;

module.exports = { columns, viewsOf, codes, views, row, text };
