"""Each construct of BigQuery that a view may use, with the rows that BigQuery's documentation gives for it.

A group names its page below https://cloud.google.com/bigquery/docs/reference/standard-sql/. Where the page shows no rows for a case, its
sentence that settles them stands in the case's comment. Instants are told in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from billsim.warehouse import bigquery
from billsim.warehouse.bigquery.functions import KNOWN

CLOCK_MS = 1_767_243_600_123  # 2026-01-01 05:00:00.123 UTC

Case = tuple[str, list[tuple[Any, ...]]]


def one(sql: str, *values: Any) -> Case:
    """A query of one row."""
    return f"SELECT {sql}", [values]


def many(sql: str, *rows: tuple[Any, ...]) -> Case:
    """A query of several rows; a query's rows come in their total order, NULL last."""
    return sql, list(rows)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def day(text: str) -> date:
    return date.fromisoformat(text)


NUMBERS = "UNNEST([1, NULL, 3, 2]) AS x"
PRODUCE = (
    "(SELECT 'kale' AS item, 23 AS sold, 'fruit' AS kind UNION ALL SELECT 'cabbage', 8, 'vegetable' UNION ALL SELECT 'apple', 8, 'fruit' "
    "UNION ALL SELECT 'leek', 2, 'vegetable' UNION ALL SELECT 'lettuce', 10, 'vegetable')"
)
FINISHERS = (
    "(SELECT 'Sophia' AS name, TIMESTAMP '2016-10-18 02:51:45' AS finished, 'F30' AS division UNION ALL "
    "SELECT 'Lisa', TIMESTAMP '2016-10-18 02:54:11', 'F35' UNION ALL SELECT 'Nikki', TIMESTAMP '2016-10-18 02:59:28', 'F30' UNION ALL "
    "SELECT 'Lauren', TIMESTAMP '2016-10-18 03:01:17', 'F35')"
)
SALES = "(SELECT 'Kale' AS product, 51 AS sales, 'Q1' AS quarter UNION ALL SELECT 'Kale', 23, 'Q2' UNION ALL SELECT 'Apple', 77, 'Q1')"

CASES: dict[str, list[Case]] = {
    "timestamp_functions": [
        # "only the number of whole specified HOUR intervals are included"
        one("TIMESTAMP_DIFF('2001-02-01 01:00:00', '2001-02-01 00:00:01', HOUR)", 0),
        one("TIMESTAMP_DIFF(TIMESTAMP '2010-07-07 10:20:00+00', TIMESTAMP '2008-12-25 15:30:00+00', HOUR)", 13410),
        one("TIMESTAMP_DIFF(TIMESTAMP '2018-08-14', TIMESTAMP '2018-10-14', DAY)", -61),
        one("TIMESTAMP_DIFF(TIMESTAMP '2026-01-02 00:00:00', TIMESTAMP '2026-01-01 00:00:01', DAY)", 0),
        one("TIMESTAMP_DIFF(TIMESTAMP '2026-01-01 00:00:00.0019', TIMESTAMP '2026-01-01', MILLISECOND)", 1),
        one("TIMESTAMP_ADD(TIMESTAMP '2008-12-25 15:30:00+00', INTERVAL 10 MINUTE)", at("2008-12-25 15:40:00")),
        one("TIMESTAMP_SUB(TIMESTAMP '2008-12-25 15:30:00+00', INTERVAL 10 MINUTE)", at("2008-12-25 15:20:00")),
        one("TIMESTAMP_ADD(TIMESTAMP '2008-12-25 15:30:00+00', INTERVAL CAST('2' AS INT64) DAY)", at("2008-12-27 15:30:00")),
        one("TIMESTAMP_TRUNC(TIMESTAMP '2008-12-25 15:30:00+00', DAY, 'UTC')", at("2008-12-25 00:00:00")),
        one("TIMESTAMP_TRUNC(TIMESTAMP '2008-12-25 15:30:00+00', DAY, 'America/Los_Angeles')", at("2008-12-25 08:00:00")),
        one("TIMESTAMP_TRUNC(TIMESTAMP '2017-11-06 00:00:00+12', WEEK(MONDAY), 'UTC')", at("2017-10-30 00:00:00")),
        one("TIMESTAMP_TRUNC(TIMESTAMP '2017-11-06 00:00:00+12', WEEK(MONDAY), 'Pacific/Auckland')", at("2017-11-05 11:00:00")),
        one("TIMESTAMP_TRUNC(TIMESTAMP '2015-06-15 00:00:00+00', ISOYEAR)", at("2014-12-29 00:00:00")),
        one("TIMESTAMP_SECONDS(1230219000), TIMESTAMP_MILLIS(1230219000000)", at("2008-12-25 15:30:00"), at("2008-12-25 15:30:00")),
        one("TIMESTAMP_MICROS(1230219000000001)", at("2008-12-25 15:30:00.000001")),
        one("UNIX_SECONDS(TIMESTAMP '2008-12-25 15:30:00+00'), UNIX_MILLIS(TIMESTAMP '2008-12-25 15:30:00+00')", 1230219000, 1230219000000),
        # "Truncates higher levels of precision by rounding down to the beginning of the second."
        one("UNIX_SECONDS(TIMESTAMP '1970-01-01 00:00:01.8+00'), UNIX_SECONDS(TIMESTAMP '1969-12-31 23:59:59.2+00')", 1, -1),
        one("UNIX_MICROS(TIMESTAMP '1970-01-01 00:00:00.000002')", 2),
        one("TIMESTAMP('2008-12-25 15:30:00', 'America/Los_Angeles')", at("2008-12-25 23:30:00")),
        one("TIMESTAMP('2008-12-25 15:30:00 UTC'), TIMESTAMP(DATE '2008-12-25')", at("2008-12-25 15:30:00"), at("2008-12-25 00:00:00")),
        one("TIMESTAMP(DATETIME '2008-12-25 15:30:00')", at("2008-12-25 15:30:00")),
        one("EXTRACT(DAY FROM TIMESTAMP '2008-12-25 05:30:00+00' AT TIME ZONE 'America/Los_Angeles')", 24),
        one("EXTRACT(ISOYEAR FROM TIMESTAMP '2007-12-31'), EXTRACT(ISOWEEK FROM TIMESTAMP '2007-12-31')", 2008, 1),
        one("EXTRACT(WEEK FROM TIMESTAMP '2007-12-31'), EXTRACT(YEAR FROM TIMESTAMP '2007-12-31')", 52, 2007),
        one("EXTRACT(DATE FROM TIMESTAMP '2008-12-25 05:30:00+00' AT TIME ZONE 'America/Los_Angeles')", day("2008-12-24")),
        one("EXTRACT(MILLISECOND FROM TIMESTAMP '2026-01-01 00:00:07.089'), EXTRACT(SECOND FROM TIMESTAMP '2026-01-01 00:00:07.9')", 89, 7),
        one("EXTRACT(MICROSECOND FROM TIMESTAMP '2026-01-01 00:00:07.089001')", 89001),
        one("FORMAT_TIMESTAMP('%b %Y %Ez', TIMESTAMP '2050-12-25 15:30:55+00')", "Dec 2050 +00:00"),
        one("FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%SZ', TIMESTAMP '2050-12-25 15:30:55', 'UTC')", "2050-12-25T15:30:55Z"),
        one("FORMAT_TIMESTAMP('%H:%M', TIMESTAMP '2050-12-25 15:30:55', 'Asia/Tokyo')", "00:30"),
        one("FORMAT_TIMESTAMP('%E3S|%E*S|%E0S', TIMESTAMP '2026-01-01 00:00:07.5')", "07.500|07.5|07"),
        one("FORMAT_TIMESTAMP('%s %%', TIMESTAMP '1970-01-01 00:01:00')", "60 %"),
        one("PARSE_TIMESTAMP('%a %b %e %I:%M:%S %Y', 'Thu Dec 25 07:30:00 2008')", at("2008-12-25 07:30:00")),
        one("PARSE_TIMESTAMP('%Y-%m-%d %H:%M:%S', '2008-12-25 07:30:00', 'America/Los_Angeles')", at("2008-12-25 15:30:00")),
        one("PARSE_TIMESTAMP('%F %T%Ez', '2008-12-25 07:30:00-08:00')", at("2008-12-25 15:30:00")),
        one(
            "PARSE_TIMESTAMP('%F %H:%M:%E*S', '2008-12-25 07:30:00'), PARSE_TIMESTAMP('%s', '60')",
            at("2008-12-25 07:30:00"),
            at("1970-01-01 00:01:00"),
        ),
        one("STRING(TIMESTAMP '2008-12-25 15:30:00')", "2008-12-25 15:30:00+00"),
        one("CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP", at("2026-01-01 05:00:00.123"), at("2026-01-01 05:00:00.123")),
    ],
    "date_functions": [
        one("CURRENT_DATE(), CURRENT_DATE, CURRENT_DATE('America/Los_Angeles')", day("2026-01-01"), day("2026-01-01"), day("2025-12-31")),
        # DATE_ADD gives a DATE; "the resulting day is the last day of the new month" where the original has no counterpart
        one("DATE_ADD(DATE '2008-12-25', INTERVAL 5 DAY), DATE_ADD('2026-01-31', INTERVAL 1 MONTH)", day("2008-12-30"), day("2026-02-28")),
        one("CAST(DATE_ADD(DATE '2008-12-25', INTERVAL 5 DAY) AS STRING)", "2008-12-30"),
        one("DATE_SUB(DATE '2008-12-25', INTERVAL 5 DAY), DATE_SUB(DATE '2024-02-29', INTERVAL 1 YEAR)", day("2008-12-20"), day("2023-02-28")),
        one("DATE_ADD(DATE '2026-01-01', INTERVAL 2 QUARTER), DATE_ADD(DATE '2026-01-01', INTERVAL 1 WEEK)", day("2026-07-01"), day("2026-01-08")),
        one("DATE_DIFF(DATE '2010-07-07', DATE '2008-12-25', DAY)", 559),
        one("DATE_DIFF(DATE '2017-10-15', DATE '2017-10-14', DAY), DATE_DIFF(DATE '2017-10-15', DATE '2017-10-14', WEEK)", 1, 1),
        one("DATE_DIFF('2017-12-30', '2014-12-30', YEAR), DATE_DIFF('2017-12-30', '2014-12-30', ISOYEAR)", 3, 2),
        one("DATE_DIFF('2017-12-18', '2017-12-17', WEEK), DATE_DIFF('2017-12-18', '2017-12-17', WEEK(MONDAY))", 0, 1),
        one("DATE_DIFF('2017-12-18', '2017-12-17', ISOWEEK), DATE_DIFF('2026-02-01', '2026-01-31', MONTH)", 1, 1),
        one("DATE_TRUNC(DATE '2008-12-25', MONTH), DATE_TRUNC(DATE '2017-11-05', WEEK(MONDAY))", day("2008-12-01"), day("2017-10-30")),
        one("DATE_TRUNC(DATE '2015-06-15', ISOYEAR), DATE_TRUNC(DATE '2017-11-05', WEEK)", day("2014-12-29"), day("2017-11-05")),
        one("DATE_TRUNC(DATE '2026-05-05', QUARTER), DATE_TRUNC(DATE '2026-05-05', ISOWEEK)", day("2026-04-01"), day("2026-05-04")),
        # DATE_TRUNC takes a DATETIME and a TIMESTAMP too, and "returns ... the same data type as the first argument"
        one(
            "DATE_TRUNC(DATETIME '2026-05-05 01:02:03', MONTH), DATE_TRUNC(TIMESTAMP '2026-05-05 01:02:03', WEEK)", at("2026-05-01"), at("2026-05-03")
        ),
        many(
            "SELECT DATE_TRUNC(MAX(x), MONTH), DATE_TRUNC(ANY_VALUE(x), YEAR) FROM UNNEST([DATE '2026-05-05']) AS x",
            (day("2026-05-01"), day("2026-01-01")),
        ),
        one("EXTRACT(DAY FROM DATE '2013-12-25'), EXTRACT(DAYOFWEEK FROM DATE '2026-01-04')", 25, 1),  # "with Sunday as the first day"
        one("EXTRACT(ISOYEAR FROM DATE '2015-12-23'), EXTRACT(ISOWEEK FROM DATE '2015-12-23')", 2015, 52),
        one("EXTRACT(WEEK FROM DATE '2015-12-28'), EXTRACT(WEEK FROM DATE '2016-01-01')", 52, 0),  # "Dates prior to the first Sunday are in week 0"
        one("EXTRACT(WEEK(SUNDAY) FROM DATE '2017-11-05'), EXTRACT(WEEK(MONDAY) FROM DATE '2017-11-05')", 45, 44),
        one("EXTRACT(DAYOFYEAR FROM DATE '2026-02-01'), EXTRACT(QUARTER FROM DATE '2026-04-01')", 32, 2),
        one("FORMAT_DATE('%x', DATE '2008-12-25'), FORMAT_DATE('%b-%d-%Y', DATE '2008-12-25')", "12/25/08", "Dec-25-2008"),
        one("FORMAT_DATE('%e|%Q|%G-W%V|%j|%A', DATE '2026-01-05')", " 5|1|2026-W02|005|Monday"),
        one("PARSE_DATE('%x', '12/25/08'), PARSE_DATE('%Y%m%d', '20081225')", day("2008-12-25"), day("2008-12-25")),
        one("PARSE_DATE('%A %b %e %Y', 'Thursday Dec 25 2008')", day("2008-12-25")),
        one("SAFE.PARSE_DATE('%Y%m%d', x) FROM UNNEST(['nope']) AS x", None),
        one("DATE(2016, 12, 25), DATE(DATETIME '2016-12-25 23:59:59')", day("2016-12-25"), day("2016-12-25")),
        one("DATE(TIMESTAMP '2016-12-25 05:30:00+07', 'America/Los_Angeles'), DATE(TIMESTAMP '2016-12-25 05:30:00+07')", *2 * [day("2016-12-24")]),
        one("LAST_DAY(DATE '2008-11-25', MONTH), LAST_DAY(DATE '2008-11-25')", day("2008-11-30"), day("2008-11-30")),
        one("LAST_DAY(DATE '2008-11-25', YEAR), LAST_DAY(DATE '2008-11-10', WEEK(SUNDAY))", day("2008-12-31"), day("2008-11-15")),
        one("LAST_DAY(DATE '2008-11-10', WEEK(MONDAY))", day("2008-11-16")),
        one("UNIX_DATE(DATE '2008-12-25'), DATE_FROM_UNIX_DATE(14238)", 14238, day("2008-12-25")),
        # operators.html, "Date arithmetics operators": DATE + INT64 is a DATE, DATE + INTERVAL a DATETIME
        one("DATE '2020-09-22' + 1, DATE '2020-09-22' - 7", day("2020-09-23"), day("2020-09-15")),
        many("SELECT d + 1 FROM UNNEST([DATE '2020-09-22']) AS d", (day("2020-09-23"),)),
        one("DATE '2020-09-22' + INTERVAL 1 YEAR", at("2021-09-22 00:00:00")),
    ],
    "datetime_functions": [
        one("CURRENT_DATETIME(), CURRENT_DATETIME('Asia/Tokyo')", at("2026-01-01 05:00:00.123"), at("2026-01-01 14:00:00.123")),
        one(
            "DATETIME(2008, 12, 25, 5, 30, 0), DATETIME(TIMESTAMP '2008-12-25 05:30:00+00', 'America/Los_Angeles')",
            at("2008-12-25 05:30:00"),
            at("2008-12-24 21:30:00"),
        ),
        one("DATETIME(DATE '2008-12-25', TIME '05:30:00')", at("2008-12-25 05:30:00")),
        one("DATETIME_ADD(DATETIME '2008-12-25 15:30:00', INTERVAL 10 MINUTE)", at("2008-12-25 15:40:00")),
        one("DATETIME_SUB(DATETIME '2026-03-31 10:00:00', INTERVAL 1 MONTH)", at("2026-02-28 10:00:00")),
        one("DATETIME_DIFF(DATETIME '2010-07-07 10:20:00', DATETIME '2008-12-25 15:30:00', DAY)", 559),
        # the number of boundaries, not of whole days: these are one second apart
        one("DATETIME_DIFF(DATETIME '2017-10-15 00:00:00', DATETIME '2017-10-14 00:00:00', WEEK)", 1),
        one("DATETIME_DIFF(DATETIME '2026-01-02 00:00:00', DATETIME '2026-01-01 23:59:59', DAY)", 1),
        one("DATETIME_DIFF('2017-12-18', '2017-12-17', WEEK), DATETIME_DIFF('2017-12-18', '2017-12-17', WEEK(MONDAY))", 0, 1),
        one(
            "DATETIME_TRUNC(DATETIME '2008-12-25 15:30:00', DAY), DATETIME_TRUNC(DATETIME '2017-11-05 00:00:00', WEEK(MONDAY))",
            at("2008-12-25 00:00:00"),
            at("2017-10-30 00:00:00"),
        ),
        one("FORMAT_DATETIME('%c', DATETIME '2008-12-25 15:30:00')", "Thu Dec 25 15:30:00 2008"),
        one("PARSE_DATETIME('%Y-%m-%d %H:%M:%S', '1998-10-18 13:45:55')", at("1998-10-18 13:45:55")),
        one("PARSE_DATETIME('%m/%d/%Y %I:%M:%S %p', '8/30/2018 2:23:38 pm')", at("2018-08-30 14:23:38")),
        one("LAST_DAY(DATETIME '2008-11-10 15:30:00', WEEK(MONDAY))", day("2008-11-16")),
        one("EXTRACT(HOUR FROM DATETIME '2008-12-25 15:30:00'), EXTRACT(TIME FROM DATETIME '2008-12-25 15:30:00')", 15, time(15, 30)),
    ],
    "time_functions": [
        one("TIME(15, 30, 0), TIME(TIMESTAMP '2008-12-25 15:30:00+08', 'America/Los_Angeles')", time(15, 30), time(23, 30)),
        one("TIME_ADD(TIME '15:30:00', INTERVAL 10 MINUTE), TIME_SUB(TIME '15:30:00', INTERVAL 10 MINUTE)", time(15, 40), time(15, 20)),
        one("TIME_DIFF(TIME '15:30:00', TIME '14:35:00', MINUTE), TIME_TRUNC(TIME '15:30:00', HOUR)", 55, time(15, 0)),
        one("FORMAT_TIME('%R', TIME '15:30:00'), PARSE_TIME('%H:%M', '15:30')", "15:30", time(15, 30)),
        one("CURRENT_TIME()", time(5, 0, 0, 123000)),
    ],
    "conversion_functions": [
        one("SAFE_CAST('12.5' AS INT64), SAFE_CAST('apple' AS INT64), SAFE_CAST(' 12 ' AS INT64)", None, None, 12),
        one("CAST(2.5 AS INT64), CAST(-2.5 AS INT64), CAST(1.5 AS INT64), CAST(-0.5 AS INT64)", 3, -3, 2, -1),  # "Halfway cases ... away from zero"
        one("CAST(TRUE AS INT64), CAST(0 AS BOOL), CAST('TrUe' AS BOOL), SAFE_CAST('yes' AS BOOL)", 1, False, True, None),
        one("CAST(NUMERIC '1.5' AS INT64), CAST('-9223372036854775808' AS INT64)", 2, -(2**63)),
        one("SAFE_CAST('9223372036854775808' AS INT64), SAFE_CAST(1e300 AS INT64), SAFE_CAST('1e3' AS INT64)", None, None, None),
        one(
            "CAST(1.0 AS STRING), CAST(0.1 + 0.2 AS STRING), CAST(1e20 AS STRING), CAST(123456789.0 AS STRING)",
            "1",
            "0.30000000000000004",
            "1e+20",
            "123456789",
        ),
        one("CAST(NUMERIC '1.50' AS STRING), CAST(NUMERIC '100' AS STRING), CAST(TRUE AS STRING)", "1.5", "100", "true"),
        one("CAST(TIMESTAMP '2026-01-01 10:00:00+02' AS STRING)", "2026-01-01 08:00:00+00"),
        one("CAST(DATETIME '2026-01-01 10:00:00' AS STRING), CAST(DATE '2026-01-01' AS STRING)", "2026-01-01 10:00:00", "2026-01-01"),
        one("CAST('2026-01-01 10:00:00' AS TIMESTAMP), CAST('2026-01-01T10:00:00Z' AS TIMESTAMP)", *2 * [at("2026-01-01 10:00:00")]),
        one("CAST(TIMESTAMP '2026-01-01 23:00:00-05' AS DATE), CAST(DATE '2026-01-01' AS TIMESTAMP)", day("2026-01-02"), at("2026-01-01 00:00:00")),
        one("SAFE_CAST('nope' AS DATE), SAFE_CAST('nope' AS TIMESTAMP), SAFE_CAST('nope' AS FLOAT64)", None, None, None),
        one("CAST('1.5' AS FLOAT64), CAST('-inf' AS FLOAT64), CAST('1.5' AS NUMERIC)", 1.5, float("-inf"), Decimal("1.5")),
        one("CAST(b'abc' AS STRING), CAST('abc' AS BYTES)", "abc", b"abc"),
        one("CAST(NULL AS INT64), SAFE_CAST(NULL AS STRING), CAST([1] AS ARRAY<FLOAT64>)", None, None, [1.0]),
    ],
    "mathematical_functions": [
        one("DIV(20, 4), DIV(12, -7), DIV(0, 20), MOD(25, 12), MOD(-5, 3)", 5, -1, 0, 1, -2),
        one("SAFE_DIVIDE(20, 4), SAFE_DIVIDE(0, 20), SAFE_DIVIDE(20, 0)", 5.0, 0.0, None),
        one("IEEE_DIVIDE(20.0, 4.0), IEEE_DIVIDE(25.0, 0.0)", 5.0, float("inf")),
        one("SAFE_ADD(9223372036854775807, 1), SAFE_SUBTRACT(5, 4), SAFE_MULTIPLY(20, 4), SAFE_NEGATE(+1)", None, 1, 80, -1),
        one("ROUND(2.5), ROUND(-2.5), ROUND(2.4), ROUND(123.7, -1), ROUND(1.235, 2)", 3.0, -3.0, 2.0, 120.0, 1.24),
        one("TRUNC(2.8), TRUNC(-2.3), CEIL(2.3), FLOOR(-2.3), CEILING(2.0)", 2.0, -2.0, 3.0, -3.0, 2.0),
        one("GREATEST(3, 5, 1), LEAST(3, 5, 1), GREATEST(1, NULL), LEAST(NULL, 2)", 5, 1, None, None),  # "NULL, if at least one of them is"
        one("LOG(100.0, 10.0), LOG(1.0), LN(1.0), LOG10(100.0), POW(2.0, 3.0), SQRT(25.0), EXP(0.0)", 2.0, 0.0, 0.0, 2.0, 8.0, 5.0, 1.0),
        one("ABS(-25), SIGN(-25), SIGN(0), IS_NAN(CAST('NaN' AS FLOAT64)), IS_INF(CAST('inf' AS FLOAT64))", 25, -1, 0, True, True),
        one("RANGE_BUCKET(20, [0, 10, 20, 30, 40]), RANGE_BUCKET(25, [0, 10, 20, 30, 40]), RANGE_BUCKET(-10, [5, 6])", 3, 3, 0),
    ],
    "mathematical_functions#sin": [
        one("SIN(0.0), COS(0.0), TAN(0.0), ASIN(0.0), ACOS(1.0), ATAN(0.0)", 0.0, 1.0, 0.0, 0.0, 0.0, 0.0),
        one("ATAN2(0.0, 1.0), POWER(2.0, 3.0)", 0.0, 8.0),
    ],
    "operators": [
        one("7 / 2, 6 / 3, 1 / 4.0", 3.5, 2.0, 0.25),  # INT64 / INT64 is a FLOAT64
        one(
            "NUMERIC '1' / 3, NUMERIC '-2' / 3, CAST(10 AS NUMERIC) / NUMERIC '0.3'",
            Decimal("0.333333333"),
            Decimal("-0.666666667"),
            Decimal("33.333333333"),
        ),
        one("NUMERIC '0.000000001' * NUMERIC '0.5', NUMERIC '1.5' * 2 + 1", Decimal("0.000000001"), Decimal("4")),
        one("0.1 + 0.2, 2147483647 + 1, 65536 * 65536", 0.30000000000000004, 2147483648, 4294967296),  # FLOAT64 and INT64, not decimals of 32 bits
        one("1 << 15, 49152 >> 14, 5 & 3, 5 | 3, 5 ^ 3, ~5", 32768, 3, 1, 7, 6, -6),
        # "<< ... drops the bits beyond the first", ">> ... doesn't extend the sign bit", "if ... greater than or equal to the bit length ... zero"
        one("x << 63, x << 64, -x >> 1, -x >> 63, (x * 3) << 62 FROM UNNEST([1]) AS x", -(2**63), 0, 2**63 - 1, 1, -(2**62)),
        many("SELECT flags & (1 << 15) != 0 FROM UNNEST([32768, 16384]) AS flags", (False,), (True,)),
        one("'a' || 'b', 'a' || NULL, [1, 2] || [3]", "ab", None, [1, 2, 3]),
        one("'apple' LIKE 'a%', 'a_c' LIKE 'abc', 'abc' LIKE 'a_c', '10%' LIKE r'10\\%', '100' LIKE r'10\\%'", True, False, True, True, False),
        one("'a' NOT LIKE 'b%', 'abc' LIKE ANY ('x%', 'a%'), 'abc' LIKE ALL ('x%', 'a%')", True, True, False),
        one("'A' < 'a', 'ab' < 'b', 'Z' < 'a', 'é' > 'z'", True, True, True, True),  # strings compare by code point, case counts
        one("2 BETWEEN 1 AND 3, 1 IN (1, NULL), 2 IN (1, NULL), 2 NOT IN (1, 3), NULL IN (1)", True, True, None, True, None),
        one("2 IN UNNEST([1, 2]), 3 IN UNNEST([1, NULL]), 3 IN UNNEST(CAST([] AS ARRAY<INT64>))", True, None, False),
        one("1 IS DISTINCT FROM NULL, NULL IS NOT DISTINCT FROM NULL, NULL = NULL", True, True, None),
        one("(NULL = 1) IS TRUE, (1 = 1) IS NOT FALSE, NOT NULL, NULL IS NULL", False, True, None, True),
        one("STRUCT(1 AS a, 'x' AS b).b, [STRUCT(1 AS a)][OFFSET(0)].a", "x", 1),
        one("[10, 20][OFFSET(1)], [10, 20][ORDINAL(1)], [10, 20][0], [1][SAFE_OFFSET(5)], [1][SAFE_ORDINAL(0)]", 20, 10, 10, None, None),
        one("EXISTS(SELECT 1 FROM UNNEST([1]) AS x WHERE x = 2), EXISTS(SELECT 1)", False, True),
        one("(1, 'a') = (1, 'a'), -9223372036854775808, 0xff", True, -(2**63), 255),
    ],
    "conditional_expressions": [
        one("IF(1 < 2, 'a', 'b'), IF(NULL, 'a', 'b'), IFNULL(NULL, 0), NULLIF(0, 0), NULLIF(10, 0)", "a", "b", 0, None, 10),
        one("COALESCE(NULL, 'B', 'C'), CASE 2 WHEN 1 THEN 'one' WHEN 2 THEN 'two' END, CASE WHEN FALSE THEN 1 END", "B", "two", None),
    ],
    "string_functions": [
        one("CONCAT('a', 'b', 'c'), CONCAT('a', NULL)", "abc", None),  # "If any input argument is NULL, the function returns NULL."
        one(
            "SUBSTR('apple', 2), SUBSTR('apple', 2, 2), SUBSTR('apple', -2), SUBSTR('apple', 1, 123), SUBSTR('apple', 123)",
            "pple",
            "pp",
            "le",
            "apple",
            "",
        ),
        one("SUBSTR('apple', 0, 2), SUBSTR('apple', -10, 2), SUBSTRING('apple', 3, 0)", "ap", "ap", ""),  # "position is set to 1"
        one("INSTR('banana', 'an'), INSTR('banana', 'an', 3), INSTR('banana', 'an', 1, 2), INSTR('banana', 'ann')", 2, 4, 4, 0),
        one("INSTR('banana', 'an', -1, 1), INSTR('banana', 'an', -1, 2), INSTR('banana', 'an', -3, 1), INSTR('banana', 'an', -4, 1)", 4, 2, 4, 2),
        one("INSTR('helloooo', 'oo', 1, 1), INSTR('helloooo', 'oo', 1, 2), INSTR('helloooo', 'oo', -1, 1)", 5, 6, 7),
        one("STRPOS('foo@example.com', '@'), STRPOS('foobar', '@'), LENGTH('щ'), BYTE_LENGTH('щ'), CHAR_LENGTH('щщ')", 4, 0, 1, 2, 2),
        one("LENGTH(b'abc'), UPPER('foo'), LOWER('FOO'), REVERSE('foo'), REPEAT('abc', 3)", 3, "FOO", "foo", "oof", "abcabcabc"),
        one("LEFT('banana', 3), RIGHT('apple', 3), LEFT('ab', 9)", "ban", "ple", "ab"),
        one(
            "LPAD('abc', 5), LPAD('abc', 7, 'def'), LPAD('abc', 2, 'def'), RPAD('abc', 7, 'def'), RPAD('abc', 5)",
            "  abc",
            "defdabc",
            "ab",
            "abcdefd",
            "abc  ",
        ),
        one(
            "TRIM('   apple   '), TRIM('\\t a \\n'), TRIM('***apple***', '*'), LTRIM('xxxapplexxx', 'xyz'), RTRIM('applexxz', 'xyz')",
            "apple",
            "a",
            "apple",
            "applexxx",
            "apple",
        ),
        one("SPLIT('b,c,d'), SPLIT('a b', ' '), SPLIT('', ''), SPLIT('abcd', '')", ["b", "c", "d"], ["a", "b"], [""], ["a", "b", "c", "d"]),
        one(
            "REPLACE('cherry pie', 'pie', 'cobbler'), REPLACE('abc', '', 'x'), TRANSLATE('This is a cookie', 'sco', 'zku')",
            "cherry cobbler",
            "abc",
            "Thiz iz a kuukie",
        ),
        one("STARTS_WITH('bar', 'b'), ENDS_WITH('apple', 'e'), CONTAINS_SUBSTR('the blue house', 'Blue House')", True, True, True),
        one("REGEXP_CONTAINS('foo@example.com', r'@[a-zA-Z0-9-]+\\.[a-z]+'), REGEXP_CONTAINS('www.example.net', r'^@')", True, False),
        one(
            "REGEXP_EXTRACT('foo@example.com', r'^[a-zA-Z0-9_.+-]+'), REGEXP_EXTRACT('foo@example.com', r'@([a-z]+)'), REGEXP_EXTRACT('ab', 'c')",
            "foo",
            "example",
            None,
        ),
        one(
            "REGEXP_EXTRACT('Hello Helloo and Hellooo', 'H?ello+', 1, 2), REGEXP_EXTRACT('Hello Helloo and Hellooo', 'H?ello+', 3)",
            "Helloo",
            "Helloo",
        ),
        one("REGEXP_EXTRACT('Hello Helloo and Hellooo', 'H?ello+', 1, 4), REGEXP_SUBSTR('Hello World', r'^\\w+')", None, "Hello"),
        one("REGEXP_EXTRACT_ALL('Try `func(x)` or `func(y)`', '`(.+?)`'), REGEXP_EXTRACT_ALL('x', 'y')", ["func(x)", "func(y)"], []),
        one("REGEXP_REPLACE('# Heading', r'^# ([a-zA-Z0-9\\s]+$)', '<h1>\\\\1</h1>'), REGEXP_REPLACE('aaa', 'a', 'b')", "<h1>Heading</h1>", "bbb"),
        one("FORMAT('date: %s!', FORMAT_DATE('%B %d, %Y', DATE '2015-01-02')), FORMAT('%%%d', 10)", "date: January 02, 2015!", "%10"),
        one(
            "FORMAT('%d', 10), FORMAT('|%10d|', 11), FORMAT('|%-10d|', 11), FORMAT('+%010d+', 12), FORMAT('%05d', 7)",
            "10",
            "|        11|",
            "|11        |",
            "+0000000012+",
            "00007",
        ),
        one(
            """FORMAT("%'d", 123456789), FORMAT('-%s-', 'abcd'), FORMAT('%f', 1.1), FORMAT('%.2f', 1.005), FORMAT('%x', 255), FORMAT('%+d', 5)""",
            "123,456,789",
            "-abcd-",
            "1.100000",
            "1.00",
            "ff",
            "+5",
        ),
        one(
            "FORMAT('%t', DATE '2015-09-01'), FORMAT('%t', 1.0), FORMAT('%t', CAST(NULL AS STRING)), FORMAT('%d', CAST(NULL AS INT64))",
            "2015-09-01",
            "1",
            "NULL",
            None,
        ),
        one(
            "TO_HEX(MD5('Hello World')), TO_HEX(b'abc'), TO_BASE64(b'abc'), FROM_HEX('616263')",
            "b10a8db164e0754105b7a99be72e3fe5",
            "616263",
            "YWJj",
            b"abc",
        ),
        one(
            "ASCII('abcd'), ASCII(''), UNICODE('âbcd'), CHR(65), CODE_POINTS_TO_STRING([65, 255]), TO_CODE_POINTS('fé')",
            97,
            0,
            226,
            "A",
            "Aÿ",
            [102, 233],
        ),
        one("""r'\\d', 'it\\'s', "dq", '''tri'ple''', 'a\\tb'""", "\\d", "it's", "dq", "tri'ple", "a\tb"),
    ],
    "string_functions#normalize": [
        one("CHARACTER_LENGTH('щ'), OCTET_LENGTH('щ'), FROM_BASE64('YWJj'), NORMALIZE('\\u00ea') = NORMALIZE('\\u0065\\u0302')", 1, 2, b"abc", True),
    ],
    "hash_functions": [
        one("TO_HEX(SHA1('Hello World')), LENGTH(SHA256('a'))", "0a4d55a8d778e5022fab701977c5d840bbc486d0", 32),
    ],
    "bit_functions": [
        one("BIT_COUNT(0), BIT_COUNT(1), BIT_COUNT(8), BIT_COUNT(-1), BIT_COUNT(-2)", 0, 1, 1, 64, 63),
    ],
    "array_functions": [
        one("ARRAY_INCLUDES([1, 2], 1), ARRAY_INCLUDES([1, 2], 3)", True, False),
        one("ARRAY_LENGTH(['coffee', NULL, 'milk']), ARRAY_LENGTH([]), ARRAY_LENGTH(CAST(NULL AS ARRAY<INT64>))", 3, 0, None),
        one("ARRAY_CONCAT([1, 2], [3, 4], [5, 6]), ARRAY_CONCAT([1], NULL), ARRAY_REVERSE([1, 2, 3])", [1, 2, 3, 4, 5, 6], None, [3, 2, 1]),
        one(
            "ARRAY_TO_STRING(['coffee', 'milk'], '--'), ARRAY_TO_STRING(['cake', NULL], '--'), ARRAY_TO_STRING(['cake', NULL], '--', 'MISSING')",
            "coffee--milk",
            "cake",
            "cake--MISSING",
        ),
        one(
            "GENERATE_ARRAY(1, 5), GENERATE_ARRAY(0, 10, 3), GENERATE_ARRAY(10, 0, -3), GENERATE_ARRAY(10, 0, 3), GENERATE_ARRAY(5, NULL, 1)",
            [1, 2, 3, 4, 5],
            [0, 3, 6, 9],
            [10, 7, 4, 1],
            [],
            None,
        ),
        one("GENERATE_DATE_ARRAY('2016-10-05', '2016-10-07')", [day("2016-10-05"), day("2016-10-06"), day("2016-10-07")]),
        one("GENERATE_DATE_ARRAY('2016-10-05', '2016-10-01', INTERVAL -3 DAY)", [day("2016-10-05"), day("2016-10-02")]),
        one("GENERATE_DATE_ARRAY('2016-01-01', '2016-03-31', INTERVAL 1 MONTH)", [day("2016-01-01"), day("2016-02-01"), day("2016-03-01")]),
        one(
            "GENERATE_TIMESTAMP_ARRAY('2016-10-05 00:00:00', '2016-10-06 00:00:00', INTERVAL 1 DAY)",
            [at("2016-10-05 00:00:00"), at("2016-10-06 00:00:00")],
        ),
        one("ARRAY_FIRST(['a', 'b', 'c']), ARRAY_LAST(['a', 'b', 'c']), 2 IN UNNEST([1, 2])", "a", "c", True),
        one("ARRAY(SELECT x * 2 FROM UNNEST([3, 1, 2]) AS x ORDER BY x), ARRAY(SELECT 1 FROM UNNEST([1]) WHERE FALSE)", [2, 4, 6], []),
        one("ARRAY(SELECT AS STRUCT 1 AS a, 'x' AS b)", [{"a": 1, "b": "x"}]),
        one("ARRAY(SELECT AS STRUCT LOWER(x) AS k, COUNT(*) AS n FROM UNNEST(['a', 'A']) AS x GROUP BY k)", [{"k": "a", "n": 2}]),
    ],
    "aggregate_functions": [
        many("SELECT COVAR_POP(x, x), COVAR_SAMP(x, x), STDDEV_SAMP(x), VAR_SAMP(x) FROM UNNEST([1.0, 3.0]) AS x", (1.0, 2.0, 2**0.5, 2.0)),
        many(f"SELECT SUM(x), COUNT(*), COUNT(x), AVG(x), MIN(x), MAX(x), COUNTIF(x > 1) FROM {NUMBERS}", (6, 4, 3, 2.0, 1, 3, 2)),
        many(
            "SELECT SUM(x), COUNT(x), COUNTIF(x > 1), LOGICAL_OR(x > 1), ARRAY_AGG(x) FROM UNNEST(CAST([] AS ARRAY<INT64>)) AS x",
            (None, 0, 0, None, None),
        ),
        many("SELECT COUNT(DISTINCT x), SUM(DISTINCT x), COUNT(DISTINCT IF(x > 1, x, NULL)) FROM UNNEST([1, 4, 4, 5]) AS x", (3, 10, 2)),
        many(
            "SELECT ARRAY_AGG(x ORDER BY x), ARRAY_AGG(x IGNORE NULLS ORDER BY x DESC LIMIT 2) FROM UNNEST([2, NULL, -2, 3]) AS x",
            ([None, -2, 2, 3], [3, 2]),
        ),
        many("SELECT ARRAY_AGG(DISTINCT x ORDER BY x DESC), ARRAY_AGG(x LIMIT 2) FROM UNNEST([2, 1, 2]) AS x", ([2, 1], [2, 1])),
        many("SELECT ARRAY_AGG(STRUCT(x AS k, -x AS v) ORDER BY x LIMIT 1)[OFFSET(0)].v FROM UNNEST([2, 1]) AS x", (-1,)),
        many("SELECT ARRAY_CONCAT_AGG(x) FROM UNNEST([STRUCT([1, 2] AS x), STRUCT(NULL AS x), STRUCT([3] AS x)])", ([1, 2, 3],)),
        many(
            f"SELECT STRING_AGG(item), STRING_AGG(item, ' & ' ORDER BY LENGTH(item), item LIMIT 2) FROM {PRODUCE}",
            ("kale,cabbage,apple,leek,lettuce", "kale & leek"),
        ),
        many("SELECT STRING_AGG(DISTINCT x, '|' ORDER BY x DESC), STRING_AGG(x) FROM UNNEST(['b', NULL, 'a', 'b']) AS x", ("b|a", "b,a,b")),
        many(f"SELECT ANY_VALUE(item HAVING MAX sold), ANY_VALUE(item HAVING MIN sold) FROM {PRODUCE}", ("kale", "leek")),
        many(
            f"SELECT MAX_BY(item, sold), MIN_BY(item, sold), ANY_VALUE(kind) FROM {PRODUCE} WHERE kind = 'vegetable'",
            ("lettuce", "leek", "vegetable"),
        ),
        many("SELECT LOGICAL_AND(x < 3), LOGICAL_OR(x < 3), BIT_AND(x), BIT_OR(x), BIT_XOR(x) FROM UNNEST([1, 3, 7]) AS x", (False, True, 1, 7, 5)),
        many("SELECT STDDEV_POP(x), STDDEV(x), VAR_POP(x), VARIANCE(x), CORR(x, x) FROM UNNEST([1.0, 3.0]) AS x", (1.0, 2**0.5, 1.0, 2.0, 1.0)),
        many(f"SELECT kind, SUM(sold) AS s FROM {PRODUCE} GROUP BY kind HAVING s > 20", ("fruit", 31)),
        many(f"SELECT kind, SUM(sold) FROM {PRODUCE} GROUP BY ROLLUP (kind)", ("fruit", 31), ("vegetable", 20), (None, 51)),
        many(
            f"SELECT kind, GROUPING(kind), COUNT(*) FROM {PRODUCE} GROUP BY GROUPING SETS (kind, ())",
            ("fruit", 0, 2),
            ("vegetable", 0, 3),
            (None, 1, 5),
        ),
        many(f"SELECT 100 * COUNTIF(kind = 'fruit') / COUNT(*) FROM {PRODUCE}", (40.0,)),
    ],
    "approximate_aggregate_functions": [
        many("SELECT APPROX_COUNT_DISTINCT(x) FROM UNNEST([0, 1, 1, 2, 3, 5]) AS x", (5,)),
        many("SELECT APPROX_QUANTILES(x, 2) FROM UNNEST([1, 1, 1, 4, 5, 6, 7, 8, 9, 10]) AS x", ([1, 5, 10],)),
        many("SELECT APPROX_QUANTILES(x, 2 IGNORE NULLS)[OFFSET(1)] FROM UNNEST([NULL, NULL, NULL, 1, 1, 1, 4, 5, 6, 7, 8, 9, 10]) AS x", (5,)),
        many(
            "SELECT APPROX_TOP_COUNT(x, 2) FROM UNNEST(['apple', 'apple', 'pear', 'pear', 'pear', 'banana']) AS x",
            ([{"value": "pear", "count": 3}, {"value": "apple", "count": 2}],),
        ),
    ],
    "window-function-calls": [
        many(f"SELECT item, SUM(sold) OVER (PARTITION BY kind) FROM {PRODUCE} WHERE kind = 'fruit'", ("apple", 31), ("kale", 31)),
        many(
            "SELECT item, SUM(sold) OVER (PARTITION BY kind ORDER BY sold, item ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) "
            f"FROM {PRODUCE} WHERE kind = 'vegetable'",
            ("cabbage", 10),
            ("leek", 2),
            ("lettuce", 20),
        ),
        many(
            "SELECT x, SUM(x) OVER w, COUNT(*) OVER w FROM UNNEST([1, 2, 2]) AS x WINDOW w AS (ORDER BY x)", (1, 1, 1), (2, 5, 3), (2, 5, 3)
        ),  # RANGE by default
        many(
            "SELECT x, AVG(x) OVER (ORDER BY x RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM UNNEST([1, 2, 5]) AS x", (1, 1.5), (2, 1.5), (5, 5.0)
        ),
        many("SELECT x, COUNTIF(x > 1) OVER (ORDER BY x) FROM UNNEST([1, 2, 3]) AS x", (1, 0), (2, 1), (3, 2)),
    ],
    "numbering_functions": [
        many("SELECT x, ROW_NUMBER() OVER (ORDER BY x) FROM UNNEST(['b', NULL, 'a']) AS x", ("a", 2), ("b", 3), (None, 1)),  # NULLs first
        many(
            "SELECT x, RANK() OVER (ORDER BY x DESC), DENSE_RANK() OVER (ORDER BY x DESC) FROM UNNEST([1, 2, 2, 5]) AS x",
            (1, 4, 3),
            (2, 2, 2),
            (2, 2, 2),
            (5, 1, 1),
        ),
        many(
            "SELECT x, NTILE(2) OVER (ORDER BY x), PERCENT_RANK() OVER (ORDER BY x), CUME_DIST() OVER (ORDER BY x) FROM UNNEST([1, 2]) AS x",
            (1, 1, 0.0, 0.5),
            (2, 2, 1.0, 1.0),
        ),
    ],
    "navigation_functions": [
        many(
            f"SELECT name, FIRST_VALUE(name) OVER (PARTITION BY division ORDER BY finished) FROM {FINISHERS} WHERE division = 'F30'",
            ("Nikki", "Sophia"),
            ("Sophia", "Sophia"),
        ),
        many(
            f"SELECT name, LAG(name) OVER w, LEAD(name, 1, 'nobody') OVER w FROM {FINISHERS} WHERE division = 'F35' "
            "WINDOW w AS (PARTITION BY division ORDER BY finished)",
            ("Lauren", "Lisa", "nobody"),
            ("Lisa", None, "Lauren"),
        ),
        many(
            "SELECT x, LAST_VALUE(x IGNORE NULLS) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS l "
            "FROM UNNEST([5, NULL, 7]) AS x WITH OFFSET AS n",
            (5, 5),
            (7, 7),
            (None, 5),
        ),
        many(
            "SELECT x, NTH_VALUE(x, 2) OVER (ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM UNNEST([1, 2]) AS x",
            (1, 2),
            (2, 2),
        ),
        many("SELECT DISTINCT PERCENTILE_CONT(x, 0.5) OVER (), PERCENTILE_DISC(x, 0.5) OVER () FROM UNNEST([0, 3, NULL, 1, 2]) AS x", (1.5, 1)),
    ],
    "json_functions": [
        one("TO_JSON(STRUCT(1 AS a, 'x' AS b))", '{"a":1,"b":"x"}'),
        one(
            """JSON_VALUE('{"a": {"b": "x"}}', '$.a.b'), JSON_VALUE('{"a": {"b": "x"}}', '$.a'), JSON_VALUE('{"a": [1, 2]}', '$.a')""",
            "x",
            None,
            None,
        ),
        one("""JSON_VALUE('{"name": "Jakob", "age": "6"}', '$.name'), JSON_QUERY('{"name": "Jakob", "age": "6"}', '$.name')""", "Jakob", '"Jakob"'),
        one(
            """JSON_VALUE('{"a": null}', '$.a'), JSON_QUERY('{"a": null}', '$.a'), JSON_VALUE('{"a": true}', '$.a'), JSON_VALUE('{}', '$.a')""",
            None,
            None,
            "true",
            None,
        ),
        one(
            """JSON_VALUE('{"a": 1.5}', '$.a'), JSON_VALUE('"hello"'), JSON_VALUE('{"a.b": {"c": "world"}}', '$."a.b".c')""", "1.5", "hello", "world"
        ),
        one("""JSON_EXTRACT_SCALAR('{"a.b": {"c": "world"}}', "$['a.b'].c"), JSON_EXTRACT_SCALAR('["a", "b"]', '$[1]')""", "world", "b"),
        one(
            """JSON_EXTRACT('{"class": {"students": [{"name": "Jane"}]}}', '$.class.students'), JSON_QUERY('{"a": {"b": 1}}', '$')""",
            '[{"name":"Jane"}]',
            '{"a":{"b":1}}',
        ),
        one("""JSON_VALUE('{broken', '$.a'), JSON_QUERY('{broken', '$.a'), JSON_VALUE(CAST(NULL AS STRING), '$.a')""", None, None, None),
        one(
            """JSON_QUERY_ARRAY('{"a": [1, {"b": 2}]}', '$.a'), JSON_EXTRACT_ARRAY('[1, 2]'), JSON_QUERY_ARRAY('{"a": 1}', '$.a')""",
            ["1", '{"b":2}'],
            ["1", "2"],
            None,
        ),
        one(
            """JSON_VALUE_ARRAY('["a", "b"]'), JSON_VALUE_ARRAY('{"a": [1, [2]]}', '$.a'), JSON_EXTRACT_STRING_ARRAY('{"a": []}', '$.a')""",
            ["a", "b"],
            None,
            [],
        ),
        one("""JSON_VALUE(PARSE_JSON('{"a": "x"}'), '$.a'), PARSE_JSON('{"a": "x"}')['a'], JSON_VALUE(JSON '{"a": 10}', '$.a')""", "x", '"x"', "10"),
        many(
            """SELECT JSON_VALUE(PARSE_JSON('{"a": "x", "b.c": "y", "q\\\\"": "z"}')[k]) FROM UNNEST(['a', 'b.c', 'q"', 'd']) AS k""",
            ("x",), ("y",), ("z",), (None,),
        ),
        one("PARSE_JSON('{\"a\": [5, 6]}')['a'][n], PARSE_JSON('[7]')[0], PARSE_JSON('[7]')[n] FROM (SELECT 1 AS n)", "6", "7", None),
        one("""INT64(JSON '10'), FLOAT64(JSON '9.8'), BOOL(JSON 'true'), STRING(JSON '"purple"')""", 10, 9.8, True, "purple"),
        one(
            """INT64(PARSE_JSON('{"gate": {"flight": 2}}')['gate']['flight']), JSON_TYPE(JSON '[1]'), JSON_TYPE(JSON '"a"'), JSON_TYPE(JSON '1.5')""",
            2,
            "array",
            "string",
            "number",
        ),
        one(
            """TO_JSON_STRING(STRUCT(1 AS id, [10, 20] AS coordinates)), TO_JSON_STRING('a"b'), TO_JSON_STRING(1.0)""",
            '{"id":1,"coordinates":[10,20]}',
            '"a\\"b"',
            "1",
        ),
        one(
            "TO_JSON_STRING(TIMESTAMP '2026-01-01 10:00:00'), TO_JSON_STRING(DATE '2026-01-01'), TO_JSON_STRING(CAST(NULL AS INT64))",
            '"2026-01-01T10:00:00Z"',
            '"2026-01-01"',
            "null",
        ),
        one(
            """JSON_OBJECT('foo', 10, 'bar', TRUE), JSON_ARRAY(10, 'foo'), JSON_KEYS(JSON '{"a": 1, "b": 2}')""",
            '{"foo":10,"bar":true}',
            '[10,"foo"]',
            ["a", "b"],
        ),
        many("""SELECT t, TO_JSON_STRING(t) FROM (SELECT 1 AS id, 'x' AS name) AS t""", ({"id": 1, "name": "x"}, '{"id":1,"name":"x"}')),
        # a document that is aggregated, or selected, is no row's own
        many(
            """SELECT JSON_VALUE(ANY_VALUE(j), '$.a'), JSON_VALUE((SELECT '{"a": 2}'), '$.a'), JSON_QUERY(MAX(j), '$.a')
            FROM UNNEST(['{"a": 1}']) AS j""",
            ("1", "2", "1"),
        ),
    ],
    "query-syntax": [
        many("SELECT x, o FROM UNNEST(['foo', 'bar']) AS x WITH OFFSET AS o", ("bar", 1), ("foo", 0)),
        many("SELECT x, offset FROM UNNEST(['foo']) AS x WITH OFFSET", ("foo", 0)),
        many("SELECT a, b FROM UNNEST([STRUCT(1 AS a, 'x' AS b), (3, 'y')])", (1, "x"), (3, "y")),
        many("SELECT s.a, s.b, n FROM UNNEST([STRUCT(1 AS a, 'x' AS b), STRUCT(3, 'y')]) AS s WITH OFFSET AS n", (1, "x", 0), (3, "y", 1)),
        many(
            "SELECT t.id, i.sku, n FROM (SELECT 7 AS id, [STRUCT('a' AS sku), STRUCT('b')] AS items) AS t, UNNEST(t.items) AS i WITH OFFSET AS n",
            (7, "a", 0),
            (7, "b", 1),
        ),
        many("SELECT id, i.* FROM (SELECT 7 AS id, [STRUCT('a' AS sku, 1 AS q)] AS items) AS t, t.items AS i", (7, "a", 1)),
        many("SELECT id, x FROM (SELECT 1 AS id, [5] AS xs UNION ALL SELECT 2, []) AS t LEFT JOIN UNNEST(t.xs) AS x", (1, 5), (2, None)),
        many(
            "SELECT id, x, n FROM (SELECT 1 AS id, [5] AS xs UNION ALL SELECT 2, []) AS t LEFT JOIN UNNEST(t.xs) AS x WITH OFFSET AS n",
            (1, 5, 0),
            (2, None, None),
        ),
        many("SELECT id FROM (SELECT 1 AS id, [STRUCT(5 AS q)] AS xs) AS t WHERE EXISTS(SELECT 1 FROM UNNEST(t.xs) AS x WHERE x.q = 5)", (1,)),
        many("SELECT id, (SELECT SUM(x) FROM UNNEST(t.xs) AS x) FROM (SELECT 1 AS id, [5, 6] AS xs) AS t", (1, 11)),
        many(f"SELECT * EXCEPT (kind) REPLACE (sold * 2 AS sold) FROM {PRODUCE} WHERE item = 'leek'", ("leek", 4)),
        many(f"SELECT item FROM {PRODUCE} QUALIFY RANK() OVER (PARTITION BY kind ORDER BY sold DESC) = 1", ("kale",), ("lettuce",)),
        many("SELECT x FROM UNNEST([2, NULL, 1]) AS x ORDER BY x LIMIT 1", (None,)),  # "NULLs are ... considered the minimum possible value"
        many("SELECT x FROM UNNEST([2, NULL, 1]) AS x ORDER BY x DESC LIMIT 1 OFFSET 1", (1,)),
        many("SELECT x FROM UNNEST([2, NULL, 1]) AS x ORDER BY x DESC NULLS FIRST LIMIT 1", (None,)),
        many(f"SELECT * FROM {SALES} PIVOT (SUM(sales) FOR quarter IN ('Q1', 'Q2'))", ("Apple", 77, None), ("Kale", 51, 23)),
        many(
            f"SELECT product, total_Q1, n_second FROM {SALES} PIVOT (SUM(sales) AS total, COUNT(*) AS n FOR quarter IN ('Q1', 'Q2' AS second))",
            ("Apple", 77, 0),
            ("Kale", 51, 1),
        ),
        many("SELECT _1, _2 FROM (SELECT 1 AS k, 5 AS v) PIVOT (MAX(v) FOR k IN (1, 2))", (5, None)),
        many(
            "SELECT * FROM (SELECT 'Kale' AS product, 51 AS Q1, 23 AS Q2, NULL AS Q3) UNPIVOT (sales FOR quarter IN (Q1, Q2, Q3))",
            ("Kale", 23, "Q2"),
            ("Kale", 51, "Q1"),
        ),
        # "aliases override names in the corresponding FROM clause"
        many("SELECT LOWER(x) AS x, COUNT(*) FROM UNNEST(['a', 'A', 'b']) AS x GROUP BY x", ("a", 2), ("b", 1)),
        many("SELECT LOWER(x) AS x, COUNT(*) FROM UNNEST(['a', 'A', 'b']) AS x GROUP BY ROLLUP (x)", ("a", 2), ("b", 1), (None, 3)),
        many("SELECT -x AS x FROM UNNEST([1, 2, 3]) AS x ORDER BY x + 0 LIMIT 1", (-3,)),
        many("SELECT x + 1 AS y FROM UNNEST([1, 1, 2]) AS x GROUP BY y HAVING y > 2", (3,)),
        many(
            "SELECT latest.* FROM (SELECT ARRAY_AGG(t ORDER BY v DESC LIMIT 1)[OFFSET(0)] AS latest "
            "FROM (SELECT 1 AS k, x AS v FROM UNNEST([5, 6]) AS x) AS t GROUP BY t.k)",
            (1, 6),
        ),
        many("SELECT t.* EXCEPT (a) FROM (SELECT 1 AS a, 2 AS b) AS t", (2,)),
        many("SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 2", (1,), (1,), (2,)),
        many("SELECT 1 UNION DISTINCT SELECT 1", (1,)),
        many("SELECT x FROM UNNEST([1, 2, 3]) AS x EXCEPT DISTINCT SELECT 2", (1,), (3,)),
        many("SELECT x FROM UNNEST([1, 1, 2]) AS x INTERSECT DISTINCT SELECT 1", (1,)),
        many("WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT x, y FROM a CROSS JOIN b", (1, 2)),
        many("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t", (1,), (2,), (3,)),
        many("SELECT a.x, b.y FROM (SELECT 1 AS x) AS a LEFT JOIN (SELECT 2 AS x, 3 AS y) AS b USING (x)", (1, None)),
        many("SELECT x, y FROM (SELECT 1 AS x) FULL JOIN (SELECT 2 AS x, 3 AS y) USING (x)", (1, None), (2, 3)),
        many("FROM (SELECT 1 AS x, 2 AS y) |> WHERE x = 1 |> SELECT y", (2,)),
        many("SELECT `order`, `end` FROM (SELECT 1 AS `order`, 2 AS `end`)", (1, 2)),  # reserved by one and not by the other
        many("SELECT s.a, t.x FROM (SELECT STRUCT<a INT64, b STRING>(1, 'z') AS s, STRUCT(2 AS x) AS t)", (1, 2)),
    ],
    "functions-and-operators#safe_prefix": [
        one("SAFE.SUBSTR('foo', x, -2), SAFE.LN(y), SAFE.PARSE_JSON(z) FROM (SELECT 0 AS x, -1.0 AS y, '{' AS z)", None, None, None),
        one("SAFE.TIMESTAMP(x), SAFE.DATE(y, 2, 31) FROM (SELECT 'nope' AS x, 2026 AS y)", None, None),
    ],
}
FLAT = [pytest.param(sql, rows, id=f"{page}-{number}") for page, cases in CASES.items() for number, (sql, rows) in enumerate(cases)]


def test_the_documentation_names_every_function() -> None:
    told = (Path(__file__).parents[2] / "docs" / "bigquery.md").read_text(encoding="utf-8").split("## Functions")[1].split("Besides:")[0]
    assert set(re.findall(r"`(\w+)`", told)) == KNOWN


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with bigquery.connect() as made:
        bigquery.set_clock(made, CLOCK_MS)
        yield made


@pytest.mark.parametrize(("sql", "rows"), FLAT)
def test_answers_as_bigquery(connection: duckdb.DuckDBPyConnection, sql: str, rows: list[tuple[Any, ...]]) -> None:
    found = bigquery.rows(connection, bigquery.translate(sql, file="case.sqlx", definition="tests.case"))
    assert found == rows
    for row, wanted in zip(found, rows, strict=True):
        assert [type(value) for value in row if value is not None] == [type(value) for value in wanted if value is not None]


def test_every_function_has_a_case() -> None:
    """A function that nobody has compared is not passed on."""
    shown = "\n".join([sql for cases in CASES.values() for sql, _ in cases] + [sql for sql, _ in RAISED])
    assert KNOWN - set(re.findall(r"\b([A-Z_0-9]+)\s*\(", shown)) == set()
    assert len(FLAT) >= 250


# What BigQuery raises an error for is an error here too, in its place, when the query runs.
RAISED = [
    ("SELECT 1 / 0", "division by zero"),
    ("SELECT 1.5 / x FROM UNNEST([0.0]) AS x", "division by zero"),
    ("SELECT NUMERIC '1' / 0", "division by zero"),
    ("SELECT MOD(1, 0)", "division by zero"),
    ("SELECT DIV(1, 0)", "division by zero"),
    ("SELECT 9223372036854775807 + x FROM UNNEST([1]) AS x", "Overflow in addition of INT64"),
    ("SELECT SUM(x) FROM UNNEST([9223372036854775807, 1]) AS x", "out of range"),
    ("SELECT CAST('12.5' AS INT64)", "bad INT64 value: 12.5"),
    ("SELECT CAST('apple' AS FLOAT64)", "bad FLOAT64 value: apple"),
    ("SELECT CAST('yes' AS BOOL)", "bad BOOL value: yes"),
    ("SELECT [1, 2][OFFSET(2)]", "array index 2 is out of bounds"),
    ("SELECT [1, 2][OFFSET(-1)]", "array index -1 is out of bounds"),
    ("SELECT [1, 2][ORDINAL(0)]", "array index -1 is out of bounds"),
    ("SELECT SUBSTR('abc', 1, x) FROM UNNEST([-1]) AS x", "SUBSTR of a negative length"),
    ("SELECT LEFT('abc', x) FROM UNNEST([-1]) AS x", "LEFT of a negative length"),
    ("SELECT SQRT(-1.0)", "SQRT of a negative number"),
    ("SELECT LN(0.0)", "LN of a number that is not positive"),
    ("SELECT POW(10.0, 400.0)", "POW is out of range"),
    ("SELECT GENERATE_ARRAY(1, 2, 0)", "GENERATE_ARRAY with a step of 0"),
    ("SELECT PARSE_JSON('{')", "Malformed JSON"),
    ("SELECT INT64(JSON '\"a\"')", 'the JSON value is no number: "a"'),
    ("SELECT 1 << x FROM UNNEST([-1]) AS x", "a shift by a negative number of bits"),
    ("SELECT DATE_TRUNC(MAX(x), MONTH) FROM UNNEST([TIMESTAMP '2026-01-01']) AS x", "a DATE is wanted, not TIMESTAMP"),
    ("SELECT DATE_DIFF(TIMESTAMP '2026-01-01', DATE '2026-01-01', DAY)", "a DATE is wanted, not TIMESTAMP"),
    ("SELECT TIMESTAMP_DIFF(DATETIME '2026-01-01', TIMESTAMP '2026-01-01', DAY)", "a TIMESTAMP is wanted, not DATETIME"),
    ("SELECT x / y FROM (SELECT NUMERIC '1' AS x, 3 AS y)", "NUMERIC is divided: say so at the operator, CAST(... AS NUMERIC) / ..."),
    ("SELECT TO_JSON_STRING(STRUCT(1.5 AS x))", "TO_JSON_STRING of a struct or array of DOUBLE is not supported: CAST it AS STRING"),
    ("SELECT ERROR('no such plan')", "no such plan"),
]


@pytest.mark.parametrize(("sql", "message"), RAISED, ids=[sql for sql, _ in RAISED])
def test_raises_as_bigquery(connection: duckdb.DuckDBPyConnection, sql: str, message: str) -> None:
    with pytest.raises(duckdb.Error) as raised:
        bigquery.rows(connection, bigquery.translate(sql))
    assert message in bigquery.why(raised.value)


REFUSED = [
    ("SELECT FARM_FINGERPRINT('a')", "unknown function FARM_FINGERPRINT"),
    ("SELECT\n  SUBSTT('a', 1)", "unknown function SUBSTT (did you mean 'SUBSTR'?)"),
    ("SELECT RAND()", "unknown function RAND"),
    ("SELECT GENERATE_UUID()", "unknown function GENERATE_UUID"),
    ("SELECT epoch_ms(1)", "unknown function EPOCH_MS"),  # DuckDB's own are no way round
    ("SELECT read_csv('/etc/passwd')", "unknown function READ_CSV"),
    ("SELECT bq_raise('x')", "unknown function BQ_RAISE"),
    ("SELECT my_project.ds.f(1)", "unknown function my_project.ds.f"),
    ("SELECT ML.PREDICT(1)", "unknown function ML.PREDICT"),
    ("SELECT NET.HOST('x')", "unknown function NET.HOST"),
    ("SELECT * FROM ds.f(1)", "the table function ds.f is not supported"),
    ("SELECT * FROM EXTERNAL_QUERY('a', 'b')", "the table function EXTERNAL_QUERY is not supported"),
    ("SELECT * FROM `p.ds.events_*`", "the wildcard table p.ds.events_* is not supported"),
    ("SELECT * FROM ds.INFORMATION_SCHEMA.TABLES", "ds.INFORMATION_SCHEMA.TABLES is not supported"),
    ("SELECT x FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01'", "FOR SYSTEM_TIME AS OF is not supported"),
    ("SELECT x FROM t TABLESAMPLE SYSTEM (10 PERCENT)", "TABLESAMPLE is not supported"),
    ("SELECT @day", "a query parameter (@name or @@name) is not supported"),
    ("SELECT x COLLATE 'und:ci'", "COLLATE is not supported"),
    ("SELECT 5 % 2", "the operator % is not supported"),
    ("SELECT CAST(1 AS BIGNUMERIC)", "the type BIGNUMERIC is not supported"),
    ("SELECT CAST(x AS GEOGRAPHY)", "the type GEOGRAPHY is not supported"),
    ("SELECT CAST(d AS STRING FORMAT 'YYYY')", "CAST with FORMAT is not supported: FORMAT_DATE, FORMAT_TIMESTAMP or FORMAT say the same"),
    ("SELECT 9223372036854775808", "9223372036854775808 does not fit an INT64"),
    ("SELECT SUBSTR('a')", "SUBSTR takes 2 to 3 arguments, not 1"),
    ("SELECT UPPER(DISTINCT x)", "UPPER takes neither DISTINCT nor ORDER BY: it is no aggregate"),
    ("SELECT SUM(x ORDER BY x)", "SUM with ORDER BY is not supported"),
    ("SELECT ARRAY_AGG(x LIMIT 2) OVER ()", "ARRAY_AGG with LIMIT is no window function"),
    ("SELECT SAFE.SQRT(SUM(x)) FROM t", "SAFE. over an aggregate or a subquery is not supported: make it a column of a subquery first"),
    ("SELECT DATE_ADD(d, INTERVAL 1 HOUR)", "an INTERVAL of days or longer is wanted"),
    ("SELECT TIMESTAMP_ADD(t, INTERVAL 1 MONTH)", "an INTERVAL of MICROSECOND, MILLISECOND, SECOND, MINUTE, HOUR, DAY is wanted"),
    ("SELECT DATE_TRUNC(d, FORTNIGHT)", "FORTNIGHT is not a date part here"),
    ("SELECT DATE_DIFF(a, b, WEKK)", "WEKK is not a date part here (did you mean 'WEEK'?)"),
    ("SELECT FORMAT_DATE('%J', d)", "the format element %J is not supported"),
    ("SELECT FORMAT_DATE(f, d)", "a format must be a literal"),
    ("SELECT PARSE_DATE('%d/%m', s)", "a format without a year is not supported"),
    ("SELECT FORMAT('%d')", "FORMAT has fewer values than '%d' asks for"),
    ("SELECT FORMAT('%T', 1)", "the format specifier %T is not supported"),
    ("SELECT JSON_VALUE(j, p)", "a JSON path must be a literal"),
    ("SELECT JSON_VALUE(j, '$.a[*]')", "the JSON path '$.a[*]' is not understood from '[*]' on"),
    ("SELECT JSON_VALUE(j, 'a')", "the JSON path 'a' does not begin with $"),
    ("SELECT REGEXP_EXTRACT(x, '(a)(b)')", "the regular expression '(a)(b)' has more than one group"),
    ("SELECT REGEXP_EXTRACT(x, y)", "a regular expression to extract by must be a literal"),
    ("SELECT * FROM t PIVOT (SUM(x) FOR d IN (DATE '2026-01-01'))", "this value of PIVOT needs a name: value AS name"),
    ("INSERT INTO t (x) VALUES (1)", "INSERT is not supported: a view is one query"),
    ("UPDATE t SET x = 1 WHERE TRUE", "UPDATE is not supported: a view is one query"),
    ("DELETE FROM t WHERE TRUE", "DELETE is not supported: a view is one query"),
    ("MERGE INTO t USING s ON TRUE WHEN MATCHED THEN DELETE", "MERGE is not supported: a view is one query"),
    ("CREATE TABLE t AS SELECT 1", "CREATE is not supported: a view is one query"),
    ("DROP TABLE t", "DROP is not supported: a view is one query"),
    ("CREATE TEMP FUNCTION f(x INT64) AS (x + 1); SELECT f(1)", "CREATE is not supported: a view is one query"),
    ("DECLARE x INT64; SELECT x", "DECLARE is not supported: a view is one query"),
    ("CALL p.x()", "CALL is not supported: a view is one query"),
    ("BEGIN SELECT 1; END", "BEGIN is not supported: a view is one query"),
    ("IF TRUE THEN SELECT 1; END IF", "IF is not supported: a view is one query"),
    ("EXECUTE IMMEDIATE 'SELECT 1'", "EXECUTE is not supported: a view is one query"),
    ("EXPORT DATA OPTIONS (uri = 'x') AS SELECT 1", "EXPORT DATA is not supported: a view is one query"),
    ("SELECT AVG(NUMERIC '1.5')", "AVG of NUMERIC is not supported: SUM(x) / COUNT(x)"),
    ("SELECT 1; SELECT 2", "a view is one query, and this is 2"),
    ("x + 1", "a view is one query, and this is an expression"),
    (" -- nothing", "a view is one query, and this is none"),
    ("SELECT 'abc", "does not parse: Missing '"),
    ("SELECT (1", "does not parse near '1': Expecting )"),
    ("SELEC 1", "does not parse near '1': Invalid expression / Unexpected token"),
]


@pytest.mark.parametrize(("sql", "message"), REFUSED, ids=[sql for sql, _ in REFUSED])
def test_refuses_by_name(sql: str, message: str) -> None:
    with pytest.raises(bigquery.ViewError) as refused:
        bigquery.translate(sql, file="definitions/a.sqlx", definition="drift.a")
    said = str(refused.value)
    assert refused.value.message == message
    assert re.match(r"definitions/a\.sqlx: drift\.a( \(line \d of its query\))?: ", said)
    assert "\n" not in said


def test_a_refusal_knows_its_line() -> None:
    with pytest.raises(bigquery.ViewError) as refused:
        bigquery.translate("SELECT\n  1 AS x,\n  SUBSTT('a', 1) AS y", file="a.sqlx", definition="drift.a")
    assert str(refused.value) == "a.sqlx: drift.a (line 3 of its query): unknown function SUBSTT (did you mean 'SUBSTR'?)"
