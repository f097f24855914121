SELECT o.id AS order_id, o.created_at, o.deleted_at, o.payload, c.country,
       o.updated_at AS order_updated_at, c.updated_at AS customer_updated_at
FROM orders AS o
JOIN customers AS c ON c.id = o.customer_id
-- the window's bounds, inside the join, so that both tables are read by their indexes
WHERE o.id IN (
    SELECT id FROM orders WHERE updated_at > :lower AND updated_at <= :upper
    UNION
    SELECT x.id FROM orders AS x JOIN customers AS y ON y.id = x.customer_id
    WHERE y.updated_at > :lower AND y.updated_at <= :upper
)
