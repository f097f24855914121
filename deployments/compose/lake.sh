# Makes the lake's bucket and the one user that runs act by; again changes nothing. Passwords go by the environment and by standard
# input: the words of a process are there for all to read.
set -e
export MC_HOST_lake="http://lake-root:$MINIO_ROOT_PASSWORD@lake:9000"
mc mb --ignore-existing lake/lake
printf 'shardlake\n%s\n' "$LAKE_SECRET_KEY" | mc admin user add lake
mc admin policy create lake shardlake /lake-policy.json
case "$(mc admin user info lake shardlake)" in
*"PolicyName: shardlake"*) ;;
*) mc admin policy attach lake shardlake --user shardlake ;;
esac
