-- What BigQuery does and DuckDB has no word for, or another meaning of the same word. Named after the function that it stands for.
--
-- A macro may take an argument of any type: where the meaning turns on the type, `typeof` is folded away when a query is bound, so that one branch is
-- left. Errors are raised by a cast that cannot succeed, for unlike `error()` that may stand inside `TRY`, which is what BigQuery's `SAFE.` becomes.

CREATE TEMP MACRO bq_raise(message) AS CAST('bigquery: ' || message AS BIGINT);

-- The clock of the night, set by `SET VARIABLE clock`.
CREATE TEMP MACRO bq_current_timestamp() AS coalesce(CAST(getvariable('clock') AS TIMESTAMPTZ), make_timestamp(bq_raise('the clock is not set')) AT TIME ZONE 'UTC');
CREATE TEMP MACRO bq_current_datetime() AS CAST(bq_current_timestamp() AS TIMESTAMP), (zone) AS bq_current_timestamp() AT TIME ZONE zone;
CREATE TEMP MACRO bq_current_date() AS CAST(bq_current_timestamp() AS DATE), (zone) AS CAST(bq_current_timestamp() AT TIME ZONE zone AS DATE);
CREATE TEMP MACRO bq_current_time() AS CAST(bq_current_datetime() AS TIME), (zone) AS CAST(bq_current_datetime(zone) AS TIME);

-- Arithmetic.
CREATE TEMP MACRO bq_not_numeric(x, y) AS typeof(x) NOT LIKE 'DECIMAL%' AND typeof(y) NOT LIKE 'DECIMAL%';
CREATE TEMP MACRO bq_divide(x, y) AS CASE
    WHEN NOT bq_not_numeric(x, y) THEN bq_raise('NUMERIC is divided: say so at the operator, CAST(... AS NUMERIC) / ...')
    WHEN y = 0 THEN bq_raise('division by zero')
    ELSE CAST(x AS DOUBLE) / CAST(y AS DOUBLE) END;
CREATE TEMP MACRO bq_safe_divide(x, y) AS CASE
    WHEN NOT bq_not_numeric(x, y) THEN bq_raise('SAFE_DIVIDE of NUMERIC is not supported')
    WHEN y = 0 THEN NULL
    ELSE CAST(x AS DOUBLE) / CAST(y AS DOUBLE) END;
CREATE TEMP MACRO bq_ieee_divide(x, y) AS CAST(x AS DOUBLE) / CAST(y AS DOUBLE);
-- NUMERIC is an integer number of 1e-9: long division on these, the last digit rounded half away from zero.
CREATE TEMP MACRO bq_nano(x) AS CAST(replace(CAST(CAST(x AS DECIMAL(38, 9)) AS VARCHAR), '.', '') AS HUGEINT);
CREATE TEMP MACRO bq_of_nano(n) AS CAST(n // 1000000000 AS DECIMAL(38, 9)) + CAST(n % 1000000000 AS DECIMAL(38, 9)) * CAST(0.000000001 AS DECIMAL(9, 9));
CREATE TEMP MACRO bq_round_nano(x, y) AS
    (x // y) * 1000000000 + ((x % y) * 1000000000) // y
    + CASE WHEN 2 * abs(((x % y) * 1000000000) % y) >= abs(y) THEN CASE WHEN (x < 0) = (y < 0) THEN 1 ELSE -1 END ELSE 0 END;
CREATE TEMP MACRO bq_divide_numeric(x, y) AS CASE
    WHEN y = 0 THEN CAST(bq_raise('division by zero') AS DECIMAL(38, 9))
    ELSE CAST(bq_of_nano(bq_round_nano(bq_nano(x), nullif(bq_nano(y), 0))) AS DECIMAL(38, 9)) END;
CREATE TEMP MACRO bq_div(x, y) AS CASE WHEN y = 0 THEN bq_raise('division by zero') ELSE x // y END;
CREATE TEMP MACRO bq_mod(x, y) AS CASE WHEN y = 0 THEN bq_raise('division by zero') ELSE x % y END;
CREATE TEMP MACRO bq_safe_add(x, y) AS TRY(x + y);
CREATE TEMP MACRO bq_safe_subtract(x, y) AS TRY(x - y);
CREATE TEMP MACRO bq_safe_multiply(x, y) AS TRY(x * y);
CREATE TEMP MACRO bq_safe_negate(x) AS TRY(-x);
CREATE TEMP MACRO bq_sign(x) AS CAST(sign(x) AS BIGINT);
CREATE TEMP MACRO bq_sqrt(x) AS CASE WHEN x < 0 THEN bq_raise('SQRT of a negative number') ELSE sqrt(CAST(x AS DOUBLE)) END;
CREATE TEMP MACRO bq_ln(x) AS CASE WHEN x <= 0 THEN bq_raise('LN of a number that is not positive') ELSE ln(CAST(x AS DOUBLE)) END;
CREATE TEMP MACRO bq_log10(x) AS CASE WHEN x <= 0 THEN bq_raise('LOG10 of a number that is not positive') ELSE log10(CAST(x AS DOUBLE)) END;
CREATE TEMP MACRO bq_log(x) AS bq_ln(x),
    (x, base) AS CASE WHEN x <= 0 OR base <= 0 OR base = 1 THEN bq_raise('LOG of a number or base that is not allowed') ELSE log(CAST(base AS DOUBLE), CAST(x AS DOUBLE)) END;
CREATE TEMP MACRO bq_pow(x, y) AS CASE
    WHEN isfinite(CAST(x AS DOUBLE)) AND isfinite(CAST(y AS DOUBLE)) AND NOT isfinite(pow(CAST(x AS DOUBLE), CAST(y AS DOUBLE))) THEN bq_raise('POW is out of range')
    ELSE pow(CAST(x AS DOUBLE), CAST(y AS DOUBLE)) END;
CREATE TEMP MACRO bq_round(x) AS round(x), (x, digits) AS round(x, CAST(digits AS INTEGER));
CREATE TEMP MACRO bq_trunc(x) AS trunc(x), (x, digits) AS trunc(x, CAST(digits AS INTEGER));
CREATE TEMP MACRO bq_bit_count(x) AS CAST(bit_count(CAST(x AS BIGINT)) AS BIGINT);
CREATE TEMP MACRO bq_range_bucket(point, bounds) AS CASE WHEN point IS NULL OR bounds IS NULL THEN NULL ELSE len(list_filter(bounds, lambda bound: bound <= point)) END;

-- Shifts drop the bits that leave the 64, and `>>` does not carry the sign.
CREATE TEMP MACRO bq_signed(bits) AS CAST(CASE WHEN bits >= 9223372036854775808 THEN bits - 18446744073709551616 ELSE bits END AS BIGINT);
CREATE TEMP MACRO bq_unsigned(x) AS CASE WHEN x < 0 THEN CAST(x AS HUGEINT) + 18446744073709551616 ELSE CAST(x AS HUGEINT) END;
CREATE TEMP MACRO bq_shift_left(x, places) AS CASE
    WHEN places < 0 THEN bq_raise('a shift by a negative number of bits')
    WHEN places >= 64 THEN 0
    ELSE bq_signed((bq_unsigned(x) & (18446744073709551615 >> CAST(places AS HUGEINT))) << CAST(places AS HUGEINT)) END;
CREATE TEMP MACRO bq_shift_right(x, places) AS CASE
    WHEN places < 0 THEN bq_raise('a shift by a negative number of bits')
    WHEN places >= 64 THEN 0
    ELSE bq_signed(bq_unsigned(x) >> CAST(places AS HUGEINT)) END;

-- Casts.
CREATE TEMP MACRO bq_is_whole(text) AS regexp_full_match(text, '\s*[-+]?[0-9]+\s*');
CREATE TEMP MACRO bq_int64(x) AS CASE
    WHEN typeof(x) IN ('VARCHAR', 'JSON') THEN CASE
        WHEN x IS NULL THEN NULL
        WHEN bq_is_whole(CAST(x AS VARCHAR)) THEN CAST(CAST(x AS VARCHAR) AS BIGINT)
        ELSE bq_raise('bad INT64 value: ' || CAST(x AS VARCHAR)) END
    WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN CAST(round(CAST(x AS DOUBLE)) AS BIGINT)
    ELSE CAST(x AS BIGINT) END;
CREATE TEMP MACRO bq_safe_int64(x) AS CASE
    WHEN typeof(x) IN ('VARCHAR', 'JSON') THEN CASE WHEN bq_is_whole(CAST(x AS VARCHAR)) THEN TRY_CAST(CAST(x AS VARCHAR) AS BIGINT) END
    WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN TRY_CAST(round(CAST(x AS DOUBLE)) AS BIGINT)
    ELSE TRY_CAST(x AS BIGINT) END;
CREATE TEMP MACRO bq_is_number(text) AS regexp_full_match(text, '(?i)\s*[-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|inf|infinity|nan)\s*');
CREATE TEMP MACRO bq_float64(x) AS CASE
    WHEN typeof(x) = 'VARCHAR' THEN CASE
        WHEN x IS NULL THEN NULL
        WHEN bq_is_number(CAST(x AS VARCHAR)) THEN CAST(CAST(x AS VARCHAR) AS DOUBLE)
        ELSE bq_raise('bad FLOAT64 value: ' || CAST(x AS VARCHAR)) END
    ELSE CAST(x AS DOUBLE) END;
CREATE TEMP MACRO bq_safe_float64(x) AS CASE
    WHEN typeof(x) = 'VARCHAR' THEN CASE WHEN bq_is_number(CAST(x AS VARCHAR)) THEN TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE) END
    ELSE TRY_CAST(x AS DOUBLE) END;
CREATE TEMP MACRO bq_safe_bool(x) AS CASE
    WHEN typeof(x) = 'VARCHAR' THEN CASE lower(CAST(x AS VARCHAR)) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END
    ELSE TRY_CAST(x AS BOOLEAN) END;
CREATE TEMP MACRO bq_bool(x) AS CASE
    WHEN typeof(x) = 'VARCHAR' AND x IS NOT NULL AND bq_safe_bool(x) IS NULL THEN bq_raise('bad BOOL value: ' || CAST(x AS VARCHAR)) = 0
    WHEN typeof(x) = 'VARCHAR' THEN bq_safe_bool(x)
    ELSE CAST(x AS BOOLEAN) END;
-- FLOAT64 is written with the fewest of 15 or 17 digits that read back as the same number. (By way of VARCHAR, for to that a struct too can be cast.)
CREATE TEMP MACRO bq_float_text(x) AS CASE WHEN CAST(printf('%.15g', x) AS DOUBLE) = x THEN printf('%.15g', x) ELSE printf('%.17g', x) END;
CREATE TEMP MACRO bq_string(x) AS CASE
    WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN bq_float_text(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE))
    WHEN typeof(x) LIKE 'DECIMAL%' AND contains(CAST(x AS VARCHAR), '.') THEN rtrim(rtrim(CAST(x AS VARCHAR), '0'), '.')
    WHEN typeof(x) = 'BLOB' THEN decode(TRY_CAST(CAST(x AS VARCHAR) AS BLOB))
    ELSE CAST(x AS VARCHAR) END;
CREATE TEMP MACRO bq_bytes(x) AS CASE WHEN typeof(x) = 'BLOB' THEN CAST(x AS BLOB) ELSE encode(CAST(x AS VARCHAR)) END;

-- Strings.
CREATE TEMP MACRO bq_char_length(x) AS length(x);
CREATE TEMP MACRO bq_byte_length(x) AS octet_length(bq_bytes(x));
CREATE TEMP MACRO bq_length(x) AS CASE WHEN typeof(x) = 'BLOB' THEN bq_byte_length(x) ELSE length(CAST(x AS VARCHAR)) END;
CREATE TEMP MACRO bq_from(x, position) AS CASE WHEN position = 0 OR position < -length(x) THEN 1 ELSE position END;
CREATE TEMP MACRO bq_count(amount, what) AS CASE WHEN amount < 0 THEN bq_raise(what || ' of a negative length') ELSE amount END;
CREATE TEMP MACRO bq_substr(x, position) AS substring(x, bq_from(x, position)),
    (x, position, amount) AS substring(x, bq_from(x, position), bq_count(amount, 'SUBSTR'));
CREATE TEMP MACRO bq_left(x, amount) AS left(x, bq_count(amount, 'LEFT'));
CREATE TEMP MACRO bq_right(x, amount) AS right(x, bq_count(amount, 'RIGHT'));
CREATE TEMP MACRO bq_repeat(x, amount) AS repeat(x, bq_count(amount, 'REPEAT'));
CREATE TEMP MACRO bq_lpad(x, amount) AS lpad(x, CAST(bq_count(amount, 'LPAD') AS INTEGER), ' '),
    (x, amount, pattern) AS CASE WHEN pattern = '' THEN chr(CAST(bq_raise('LPAD with an empty pattern') AS INTEGER)) ELSE lpad(x, CAST(bq_count(amount, 'LPAD') AS INTEGER), pattern) END;
CREATE TEMP MACRO bq_rpad(x, amount) AS rpad(x, CAST(bq_count(amount, 'RPAD') AS INTEGER), ' '),
    (x, amount, pattern) AS CASE WHEN pattern = '' THEN chr(CAST(bq_raise('RPAD with an empty pattern') AS INTEGER)) ELSE rpad(x, CAST(bq_count(amount, 'RPAD') AS INTEGER), pattern) END;
CREATE TEMP MACRO bq_space() AS E' \t\n\x0b\f\r' || chr(133) || chr(160) || chr(5760) || chr(8192) || chr(8193) || chr(8194) || chr(8195) || chr(8196) || chr(8197)
    || chr(8198) || chr(8199) || chr(8200) || chr(8201) || chr(8202) || chr(8232) || chr(8233) || chr(8239) || chr(8287) || chr(12288);
CREATE TEMP MACRO bq_trim(x) AS trim(x, bq_space()), (x, characters) AS trim(x, characters);
CREATE TEMP MACRO bq_ltrim(x) AS ltrim(x, bq_space()), (x, characters) AS ltrim(x, characters);
CREATE TEMP MACRO bq_rtrim(x) AS rtrim(x, bq_space()), (x, characters) AS rtrim(x, characters);
CREATE TEMP MACRO bq_split(x) AS string_split(x, ','), (x, delimiter) AS string_split(x, delimiter);
CREATE TEMP MACRO bq_chr(code) AS chr(CAST(code AS INTEGER));
CREATE TEMP MACRO bq_ascii(x) AS CAST(CASE WHEN x = '' THEN 0 ELSE ascii(x) END AS BIGINT);
CREATE TEMP MACRO bq_unicode(x) AS CAST(CASE WHEN x = '' THEN 0 ELSE unicode(x) END AS BIGINT);
CREATE TEMP MACRO bq_code_points_to_string(codes) AS CASE WHEN len(list_filter(codes, lambda code: code IS NULL)) > 0 THEN NULL
    WHEN codes IS NOT NULL THEN coalesce(array_to_string(list_transform(codes, lambda code: chr(CAST(code AS INTEGER))), ''), '') END;
CREATE TEMP MACRO bq_to_code_points(x) AS CASE WHEN x = '' THEN CAST([] AS BIGINT[]) ELSE list_transform(string_split(x, ''), lambda letter: CAST(unicode(letter) AS BIGINT)) END;
CREATE TEMP MACRO bq_contains_substr(x, part) AS contains(lower(nfc_normalize(x)), lower(nfc_normalize(part)));
-- Matches may overlap; a position below zero counts and looks from the end.
CREATE TEMP MACRO bq_matches(x, part) AS list_filter(range(1, length(x) - length(part) + 2), lambda start: substring(x, start, length(part)) = part);
CREATE TEMP MACRO bq_instr_at(x, part, position, occurrence) AS CASE
    WHEN position = 0 OR occurrence <= 0 THEN bq_raise('INSTR of position 0 or of an occurrence that is not positive')
    WHEN x IS NULL OR part IS NULL OR position IS NULL OR occurrence IS NULL THEN NULL
    WHEN position > 0 THEN coalesce(list_filter(bq_matches(x, part), lambda start: start >= position)[occurrence], 0)
    ELSE coalesce(list_reverse(list_filter(bq_matches(x, part), lambda start: start <= length(x) + position + 1))[occurrence], 0) END;
CREATE TEMP MACRO bq_instr(x, part) AS strpos(x, part), (x, part, position) AS bq_instr_at(x, part, position, 1),
    (x, part, position, occurrence) AS bq_instr_at(x, part, position, occurrence);
CREATE TEMP MACRO bq_array_to_string(items, delimiter) AS CASE WHEN items IS NOT NULL AND delimiter IS NOT NULL THEN coalesce(array_to_string(items, delimiter), '') END,
    (items, delimiter, nothing) AS CASE WHEN items IS NOT NULL AND delimiter IS NOT NULL
        THEN coalesce(array_to_string(list_transform(items, lambda item: coalesce(item, nothing)), delimiter), '') END;
CREATE TEMP MACRO bq_regexp_extract(x, pattern, part) AS CASE WHEN regexp_matches(x, pattern) THEN regexp_extract(x, pattern, part) END;
CREATE TEMP MACRO bq_regexp_extract_at(x, pattern, part, position, occurrence) AS CASE
    WHEN position <= 0 OR occurrence <= 0 THEN chr(CAST(bq_raise('REGEXP_EXTRACT of a position or occurrence that is not positive') AS INTEGER))
    ELSE regexp_extract_all(substring(x, position), pattern, part)[occurrence] END;
CREATE TEMP MACRO bq_regexp_replace(x, pattern, replacement) AS regexp_replace(x, pattern, replacement, 'g');
CREATE TEMP MACRO bq_md5(x) AS unhex(md5(bq_bytes(x)));
CREATE TEMP MACRO bq_sha1(x) AS unhex(sha1(bq_bytes(x)));
CREATE TEMP MACRO bq_sha256(x) AS unhex(sha256(bq_bytes(x)));
CREATE TEMP MACRO bq_to_hex(x) AS lower(hex(CAST(x AS BLOB)));
CREATE TEMP MACRO bq_from_hex(x) AS unhex(x);
CREATE TEMP MACRO bq_to_base64(x) AS to_base64(CAST(x AS BLOB));
CREATE TEMP MACRO bq_from_base64(x) AS from_base64(x);
CREATE TEMP MACRO bq_thousands(x) AS format('{:,}', CAST(x AS BIGINT));

-- Arrays.
CREATE TEMP MACRO bq_offset(items, place) AS CASE WHEN place < 0 OR place >= len(items) THEN items[bq_raise('array index ' || place || ' is out of bounds')] ELSE items[place + 1] END;
CREATE TEMP MACRO bq_safe_offset(items, place) AS CASE WHEN place >= 0 THEN items[place + 1] END;
CREATE TEMP MACRO bq_array_first(items) AS CASE WHEN len(items) = 0 THEN items[bq_raise('ARRAY_FIRST of an empty array')] ELSE items[1] END;
CREATE TEMP MACRO bq_array_last(items) AS CASE WHEN len(items) = 0 THEN items[bq_raise('ARRAY_LAST of an empty array')] ELSE items[-1] END;
CREATE TEMP MACRO bq_whole(x) AS CASE WHEN typeof(x) LIKE '%INT' OR typeof(x) IN ('INTEGER', '"NULL"') THEN CAST(x AS BIGINT) ELSE bq_raise('an INT64 is wanted, not ' || typeof(x)) END;
CREATE TEMP MACRO bq_generate_array(first, last) AS CASE WHEN first IS NOT NULL AND last IS NOT NULL THEN generate_series(bq_whole(first), bq_whole(last), 1) END,
    (first, last, step) AS CASE
        WHEN step = 0 THEN generate_series(bq_raise('GENERATE_ARRAY with a step of 0'), 0)
        WHEN first IS NOT NULL AND last IS NOT NULL AND step IS NOT NULL THEN generate_series(bq_whole(first), bq_whole(last), bq_whole(step)) END;
CREATE TEMP MACRO bq_type(x) AS CASE typeof(x) WHEN 'TIMESTAMP' THEN 'DATETIME' WHEN 'TIMESTAMP WITH TIME ZONE' THEN 'TIMESTAMP' WHEN 'BIGINT' THEN 'INT64' ELSE typeof(x) END;
CREATE TEMP MACRO bq_a_timestamp(x) AS CASE WHEN typeof(x) IN ('TIMESTAMP WITH TIME ZONE', 'VARCHAR', '"NULL"') THEN CAST(x AS TIMESTAMPTZ)
    ELSE make_timestamp(bq_raise('a TIMESTAMP is wanted, not ' || bq_type(x))) AT TIME ZONE 'UTC' END;
CREATE TEMP MACRO bq_generate_date_array(first, last, step) AS CASE WHEN first IS NOT NULL AND last IS NOT NULL
    THEN CAST(generate_series(CAST(CAST(first AS DATE) AS TIMESTAMP), CAST(CAST(last AS DATE) AS TIMESTAMP), step) AS DATE[]) END;
CREATE TEMP MACRO bq_generate_timestamp_array(first, last, step) AS CASE WHEN first IS NOT NULL AND last IS NOT NULL
    THEN generate_series(bq_a_timestamp(first), bq_a_timestamp(last), step) END;

-- Dates and times. What takes a DATE refuses a TIMESTAMP rather than cut it short in silence.
CREATE TEMP MACRO bq_a_date(x) AS CASE WHEN typeof(x) IN ('DATE', 'VARCHAR', '"NULL"') THEN CAST(x AS DATE)
    ELSE DATE '1970-01-01' + CAST(bq_raise('a DATE is wanted, not ' || bq_type(x)) AS INTEGER) END;
CREATE TEMP MACRO bq_a_datetime(x) AS CASE WHEN typeof(x) IN ('TIMESTAMP', 'DATE', 'VARCHAR', '"NULL"') THEN CAST(x AS TIMESTAMP)
    ELSE make_timestamp(bq_raise('a DATETIME is wanted, not ' || bq_type(x))) END;
CREATE TEMP MACRO bq_date(x) AS CAST(x AS DATE);
CREATE TEMP MACRO bq_date_at(x, zone) AS CAST(bq_a_timestamp(x) AT TIME ZONE zone AS DATE);
CREATE TEMP MACRO bq_date_of(year, month, day) AS make_date(year, month, day);
CREATE TEMP MACRO bq_datetime(x) AS CAST(x AS TIMESTAMP);
CREATE TEMP MACRO bq_datetime_at(x, zone) AS bq_a_timestamp(x) AT TIME ZONE zone;
CREATE TEMP MACRO bq_datetime_on(day, clock_time) AS bq_a_date(day) + CAST(clock_time AS TIME);
CREATE TEMP MACRO bq_datetime_of(year, month, day, hour, minute, second) AS make_timestamp(year, month, day, hour, minute, CAST(second AS DOUBLE));
CREATE TEMP MACRO bq_time(x) AS CAST(CAST(x AS TIMESTAMP) AS TIME);
CREATE TEMP MACRO bq_time_at(x, zone) AS CAST(bq_a_timestamp(x) AT TIME ZONE zone AS TIME);
CREATE TEMP MACRO bq_time_of(hour, minute, second) AS make_time(hour, minute, CAST(second AS DOUBLE));
CREATE TEMP MACRO bq_timestamp(x) AS CAST(x AS TIMESTAMPTZ);
CREATE TEMP MACRO bq_timestamp_at(x, zone) AS CAST(x AS TIMESTAMP) AT TIME ZONE zone;
CREATE TEMP MACRO bq_timestamp_micros(n) AS CAST(make_timestamp(CAST(n AS BIGINT)) AS TIMESTAMPTZ);
CREATE TEMP MACRO bq_timestamp_millis(n) AS bq_timestamp_micros(CAST(n AS BIGINT) * 1000);
CREATE TEMP MACRO bq_timestamp_seconds(n) AS bq_timestamp_micros(CAST(n AS BIGINT) * 1000000);
CREATE TEMP MACRO bq_date_from_unix_date(n) AS DATE '1970-01-01' + CAST(n AS INTEGER);
CREATE TEMP MACRO bq_floor_div(x, y) AS x // y - CASE WHEN x % y < 0 THEN 1 ELSE 0 END;
CREATE TEMP MACRO bq_unix_micros(x) AS epoch_us(bq_a_timestamp(x));
CREATE TEMP MACRO bq_unix_millis(x) AS bq_floor_div(bq_unix_micros(x), 1000);
CREATE TEMP MACRO bq_unix_seconds(x) AS bq_floor_div(bq_unix_micros(x), 1000000);
CREATE TEMP MACRO bq_unix_date(x) AS date_diff('day', DATE '1970-01-01', bq_a_date(x));
CREATE TEMP MACRO bq_date_add(x, step) AS CAST(bq_a_date(x) + step AS DATE);
CREATE TEMP MACRO bq_date_sub(x, step) AS CAST(bq_a_date(x) - step AS DATE);
CREATE TEMP MACRO bq_datetime_add(x, step) AS bq_a_datetime(x) + step;
CREATE TEMP MACRO bq_datetime_sub(x, step) AS bq_a_datetime(x) - step;
CREATE TEMP MACRO bq_timestamp_add(x, step) AS bq_a_timestamp(x) + step;
CREATE TEMP MACRO bq_timestamp_sub(x, step) AS bq_a_timestamp(x) - step;
CREATE TEMP MACRO bq_time_add(x, step) AS CAST(x AS TIME) + step;
CREATE TEMP MACRO bq_time_sub(x, step) AS CAST(x AS TIME) - step;
-- `shift` days make a week that begins on another day begin on Monday, as DuckDB's weeks do.
CREATE TEMP MACRO bq_monday(x, shift) AS date_trunc('week', CAST(x AS TIMESTAMP) + to_days(shift));
CREATE TEMP MACRO bq_boundaries(x, y, part, shift) AS CASE part
    WHEN 'week' THEN date_diff('day', bq_monday(y, shift), bq_monday(x, shift)) // 7
    WHEN 'isoyear' THEN isoyear(CAST(x AS TIMESTAMP)) - isoyear(CAST(y AS TIMESTAMP))
    ELSE date_diff(part, CAST(y AS TIMESTAMP), CAST(x AS TIMESTAMP)) END;
CREATE TEMP MACRO bq_date_diff(x, y, part, shift) AS bq_boundaries(bq_a_date(x), bq_a_date(y), part, shift);
CREATE TEMP MACRO bq_datetime_diff(x, y, part, shift) AS bq_boundaries(bq_a_datetime(x), bq_a_datetime(y), part, shift);
CREATE TEMP MACRO bq_timestamp_diff(x, y, micros) AS (bq_unix_micros(x) - bq_unix_micros(y)) // micros;
CREATE TEMP MACRO bq_time_diff(x, y, part) AS date_diff(part, CAST(y AS TIME), CAST(x AS TIME));
CREATE TEMP MACRO bq_floor(x, part, shift) AS date_trunc(part, CAST(x AS TIMESTAMP) + to_days(shift)) - to_days(shift);
CREATE TEMP MACRO bq_date_trunc(x, part, shift) AS CAST(bq_floor(bq_a_date(x), part, shift) AS DATE);
CREATE TEMP MACRO bq_datetime_trunc(x, part, shift) AS CAST(bq_floor(bq_a_datetime(x), part, shift) AS TIMESTAMP);
CREATE TEMP MACRO bq_timestamp_trunc(x, part, shift) AS CAST(bq_floor(bq_a_timestamp(x), part, shift) AS TIMESTAMPTZ),
    (x, part, shift, zone) AS CAST(bq_floor(bq_a_timestamp(x) AT TIME ZONE zone, part, shift) AS TIMESTAMP) AT TIME ZONE zone;
-- DATE_TRUNC and its kin take each other's types, and give back what they were given: told by the argument's type, which DuckDB knows unless it is an
-- aggregate's.
CREATE TEMP MACRO bq_any_trunc(x DATE, part, shift) AS bq_date_trunc(x, part, shift),
    (x TIMESTAMP, part, shift) AS bq_datetime_trunc(x, part, shift),
    (x TIMESTAMPTZ, part, shift) AS bq_timestamp_trunc(x, part, shift);
CREATE TEMP MACRO bq_time_trunc(x, part) AS CAST(date_trunc(part, DATE '1970-01-01' + CAST(x AS TIME)) AS TIME);
CREATE TEMP MACRO bq_last_day(x, part, shift, step) AS CAST(bq_floor(CAST(CAST(x AS DATE) AS TIMESTAMP), part, shift) + step AS DATE) - 1;
CREATE TEMP MACRO bq_week(x, first_day) AS (dayofyear(x) + 6 - (dayofweek(x) - first_day + 7) % 7) // 7;
CREATE TEMP MACRO bq_fraction(x) AS rtrim(rtrim(strftime(x, '%S.%f'), '0'), '.');

-- JSON, which BigQuery keeps in strings as often as in a type of its own. What is not JSON has no values.
CREATE TEMP MACRO bq_json_value(document, place) AS json_extract_string(TRY(json_value(document, place)), '$');
CREATE TEMP MACRO bq_json_query(document, place) AS CASE
    WHEN typeof(document) = 'JSON' THEN CAST(TRY(json_extract(document, place)) AS VARCHAR)
    ELSE nullif(CAST(TRY(json_extract(document, place)) AS VARCHAR), 'null') END;
CREATE TEMP MACRO bq_json_query_array(document, place) AS CASE WHEN TRY(json_type(document, place)) = 'ARRAY'
    THEN CAST(json_extract(document, place || '[*]') AS VARCHAR[]) END;
CREATE TEMP MACRO bq_json_value_array(document, place) AS CASE WHEN TRY(json_type(document, place)) = 'ARRAY'
    AND len(list_filter(json_extract(document, place || '[*]'), lambda item: json_type(item) IN ('OBJECT', 'ARRAY'))) = 0
    THEN json_extract_string(document, place || '[*]') END;
-- The same where the document is an aggregate, a window function or a subquery, which `TRY` does not take.
CREATE TEMP MACRO bq_valid(document) AS CASE WHEN json_valid(CAST(document AS VARCHAR)) THEN CAST(document AS VARCHAR) END;
CREATE TEMP MACRO bq_json_value_whole(document, place) AS json_extract_string(json_value(bq_valid(document), place), '$');
CREATE TEMP MACRO bq_json_query_whole(document, place) AS CASE
    WHEN typeof(document) = 'JSON' THEN CAST(json_extract(document, place) AS VARCHAR)
    ELSE nullif(CAST(json_extract(bq_valid(document), place) AS VARCHAR), 'null') END;
CREATE TEMP MACRO bq_json_query_array_whole(document, place) AS CASE WHEN json_type(bq_valid(document), place) = 'ARRAY'
    THEN CAST(json_extract(bq_valid(document), place || '[*]') AS VARCHAR[]) END;
CREATE TEMP MACRO bq_json_value_array_whole(document, place) AS CASE WHEN json_type(bq_valid(document), place) = 'ARRAY'
    AND len(list_filter(json_extract(bq_valid(document), place || '[*]'), lambda item: json_type(item) IN ('OBJECT', 'ARRAY'))) = 0
    THEN json_extract_string(bq_valid(document), place || '[*]') END;
CREATE TEMP MACRO bq_parse_json(x) AS CAST(x AS JSON);
CREATE TEMP MACRO bq_json_at(document, place) AS json_extract(document, CASE WHEN typeof(place) = 'VARCHAR'
    THEN '$."' || replace(replace(CAST(place AS VARCHAR), '\', '\\'), '"', '\"') || '"' ELSE '$[' || CAST(place AS VARCHAR) || ']' END);
CREATE TEMP MACRO bq_json_kind(x) AS CASE json_type(CAST(x AS JSON))
    WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'array' WHEN 'VARCHAR' THEN 'string' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null'
    ELSE CASE WHEN x IS NOT NULL THEN 'number' END END;
CREATE TEMP MACRO bq_json_type(x) AS bq_json_kind(x);
CREATE TEMP MACRO bq_json_keys(x) AS json_keys(CAST(x AS JSON));
CREATE TEMP MACRO bq_of_json(x, kind) AS CASE WHEN bq_json_kind(x) = kind THEN json_extract_string(CAST(x AS JSON), '$')
    WHEN x IS NOT NULL THEN chr(CAST(bq_raise('the JSON value is no ' || kind || ': ' || CAST(x AS VARCHAR)) AS INTEGER)) END;
CREATE TEMP MACRO bq_int64_of_json(x) AS bq_int64(bq_of_json(x, 'number'));
CREATE TEMP MACRO bq_float64_of_json(x) AS CAST(bq_of_json(x, 'number') AS DOUBLE);
CREATE TEMP MACRO bq_bool_of_json(x) AS CAST(bq_of_json(x, 'boolean') AS BOOLEAN);
CREATE TEMP MACRO bq_text(x) AS CASE WHEN typeof(x) = 'JSON' THEN bq_of_json(x, 'string') ELSE CAST(x AS VARCHAR) END;
CREATE TEMP MACRO bq_to_json_string(x) AS CASE
    WHEN x IS NULL THEN 'null'
    WHEN typeof(x) IN ('DOUBLE', 'FLOAT', 'HUGEINT') OR typeof(x) LIKE 'DECIMAL%' THEN bq_string(x)
    WHEN typeof(x) = 'TIMESTAMP WITH TIME ZONE' THEN '"' || replace(replace(CAST(x AS VARCHAR), ' ', 'T'), '+00', 'Z') || '"'
    WHEN typeof(x) = 'TIMESTAMP' THEN '"' || replace(CAST(x AS VARCHAR), ' ', 'T') || '"'
    WHEN regexp_matches(typeof(x), 'TIMESTAMP|DOUBLE|FLOAT|DECIMAL|BLOB') THEN chr(CAST(bq_raise('TO_JSON_STRING of a struct or array of ' || regexp_extract(typeof(x), 'TIMESTAMP|DOUBLE|FLOAT|DECIMAL|BLOB') || ' is not supported: CAST it AS STRING') AS INTEGER))
    ELSE CAST(to_json(x) AS VARCHAR) END;

-- Aggregates that have no counterpart.
CREATE TEMP MACRO bq_top(counts, amount) AS list_transform(
    list_sort(list_transform(map_entries(counts), lambda entry: {'rank': -CAST(entry.value AS BIGINT), 'item': entry.key}))[:CAST(amount AS BIGINT)],
    lambda entry: {'value': entry.item, 'count': -entry.rank});
