# shellcheck shell=bash
# Redis 7 on loopback with its data in the run dir.

redis_configure() { # RUN
  local text
  text="$(<"$OPS/redis/redis.conf.in")"
  text="${text//@PORT@/"$(port_of "$1" redis)"}"
  text="${text//@DATA@/"$1/redis"}"
  printf '%s\n' "$text" >"$1/redis/redis.conf"
}

redis_start() { # RUN
  local run=$1
  if ! process_runs "$run" redis; then
    mkdir -p "$run/redis"
    port_for "$run" redis >/dev/null
    redis_configure "$run"
    process_start "$run" redis redis-server "$run/redis/redis.conf"
  fi
  process_await "$run" redis 60 redis_ready "$run"
}

# PONG is required: a server that is still loading its file answers with LOADING.
redis_ready() { # RUN
  [[ "$(timeout 3 redis-cli -h 127.0.0.1 -p "$(port_of "$1" redis)" ping 2>/dev/null)" == PONG ]]
}

redis_stop() { process_stop "$1" redis TERM 30; }

redis_url() { printf 'redis://127.0.0.1:%s/0' "$(port_of "$1" redis)"; }
