-- One shard's rows: {rows} of them, ids {first}, {first}+{step}, … as auto_increment_increment
-- gives them. Orders are placed in the order of their ids over 300 days; each was last touched
-- within three days. About 370 bytes a row. The same seed gives the same bytes.
WITH numbers AS (
    SELECT {first} + n * {step} AS id, n * 25920000.0 / {rows} AS placed
    FROM range({rows}) AS t(n)
)
SELECT
    id,
    ['new', 'paid', 'packed', 'shipped', 'delivered', 'returned'][1 + roll(id, 1, 6)] AS status,
    (roll(id, 2, 500000) / 100)::DECIMAL(12, 2) AS amount,
    strftime(TIMESTAMP '2025-01-01' + to_seconds(floor(placed)), '%Y-%m-%d %H:%M:%S') AS created_at,
    strftime(
        TIMESTAMP '2025-01-01' + to_seconds(floor(placed)) + to_microseconds(roll(id, 3, 259200000) * 1000 + roll(id, 4, 1000)),
        '%Y-%m-%d %H:%M:%S.%f'
    ) AS updated_at,
    to_json(struct_pack(
        customer := struct_pack(
            name := first_name(id) || ' ' || last_name(id),
            email := lower(last_name(id)) || '.' || id || '@example.com',
            address := struct_pack(
                city := ['Berlin', 'Lisboa', 'Kraków', 'Göteborg', 'Αθήνα', 'Torino'][1 + roll(id, 7, 6)],
                zip := lpad(roll(id, 8, 100000)::VARCHAR, 5, '0')
            )
        ),
        campaign := struct_pack(
            source := ['google', 'newsletter', 'partner', NULL][1 + roll(id, 9, 4)],
            medium := ['cpc', 'email', 'referral', 'organic'][1 + roll(id, 10, 4)]
        ),
        items := [
            struct_pack(
                sku := 'SKU-' || lpad(roll(id + k, 11, 100000)::VARCHAR, 6, '0'),
                qty := 1 + roll(id + k, 12, 9),
                price := ((100 + roll(id + k, 13, 20000)) / 100)::DECIMAL(8, 2)
            )
            FOR k IN range(1 + roll(id, 14, 3))
        ],
        note := [
            'Leave it at the door of the neighbours', 'quotes '' " emoji 🚚', NULL, '',
            'back\slash, tab' || chr(9) || 'and a' || chr(10) || 'new line',
            'A gift 🎁: please wrap it, and put the card inside'
        ][1 + roll(id, 15, 6)]
    ))::VARCHAR AS payload
FROM numbers
ORDER BY id
