# Sourced once by MySQL's image when it makes a shard: a reader that may read this shard's database, and see open transactions.
quoted=$(printf '%s' "$SHOP_PASSWORD" | sed "s/[\\\\']/\\\\&/g")
docker_process_sql --database=mysql <<SQL
CREATE USER 'reader'@'%' IDENTIFIED BY '$quoted';
GRANT SELECT ON \`$MYSQL_DATABASE\`.* TO 'reader'@'%';
GRANT PROCESS ON *.* TO 'reader'@'%';
SQL
