// Rows for unit tests, typed, so that a NULL has its column's type: rows({account: "STRING", paid: "INT64"}, ["ada", 1], ["bob", null]).
const value = (given) =>
  given === null || given === undefined ? "NULL" : typeof given === "string" ? `'${given}'` : String(given).toUpperCase();

const select = (columns, row) =>
  `SELECT ${Object.entries(columns)
    .map(([name, type], index) => `CAST(${value(row[index])} AS ${type}) AS ${name}`)
    .join(", ")}`;

const rows = (columns, ...given) => given.map((row) => select(columns, row)).join("\nUNION ALL\n");
const none = (columns) => `SELECT * FROM (${select(columns, [])}) AS given WHERE FALSE`;

module.exports = { rows, none };
