# shellcheck shell=bash
# Apache Kafka from its Maven artifacts: one node, broker and controller in one process.

KAFKA_VERSION="$(sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' "$OPS/kafka/pom.xml")"
KAFKA_CACHE="$CACHE/kafka-$KAFKA_VERSION"

# Downloads the jars once for all stacks of this checkout. Concurrent calls are safe.
kafka_fetch() {
  [[ ! -d $KAFKA_CACHE/libs ]] || return 0
  mkdir -p "$KAFKA_CACHE"
  (
    flock --timeout 600 8
    [[ ! -d $KAFKA_CACHE/libs ]] || exit 0
    rm -rf "$KAFKA_CACHE/libs.new"
    echo "fetching Apache Kafka $KAFKA_VERSION and its dependencies with Maven"
    mvn -q -B -Dstyle.color=never -f "$OPS/kafka/pom.xml" dependency:copy-dependencies \
      -DoutputDirectory="$KAFKA_CACHE/libs.new" -DincludeScope=runtime
    # Empty only while the versions are being changed (see pom.xml).
    if [[ -s $OPS/kafka/jars.sha256 ]]; then
      (cd "$KAFKA_CACHE/libs.new" && sha256sum --check --quiet --strict "$OPS/kafka/jars.sha256") || {
        echo "the downloaded jars differ from those that this project is tested with (ops/kafka/jars.sha256)"
        exit 1
      }
    fi
    # All or nothing: an interrupted download must not look like a finished one.
    mv "$KAFKA_CACHE/libs.new" "$KAFKA_CACHE/libs"
  ) 8>"$KAFKA_CACHE/lock"
}

# In a fixed order, because the class archive is valid only for the class path that created it.
kafka_classpath() {
  local jars=("$KAFKA_CACHE"/libs/*.jar)
  (IFS=: && printf '%s' "${jars[*]}")
}

# The archive of loaded classes halves the start time. It belongs to one Java version, hence the
# name.
kafka_archive() {
  printf '%s/classes-%s.jsa' "$KAFKA_CACHE" "$(java -version 2>&1 | cksum | cut -d ' ' -f 1)"
}

kafka_configure() { # RUN
  local run=$1 text
  text="$(<"$OPS/kafka/server.properties.in")"
  text="${text//@PORT@/"$(port_of "$run" kafka)"}"
  text="${text//@CONTROLLER_PORT@/"$(port_of "$run" kafka-controller)"}"
  text="${text//@DATA@/"$run/kafka/data"}"
  printf '%s\n' "$text" >"$run/kafka/server.properties"
}

kafka_start() { # RUN
  local run=$1 archive java
  if ! process_runs "$run" kafka; then
    kafka_fetch
    mkdir -p "$run/kafka"
    port_for "$run" kafka >/dev/null
    port_for "$run" kafka-controller >/dev/null
    kafka_configure "$run"
    java=(java -cp "$(kafka_classpath)" -Dlog4j2.configurationFile="$OPS/kafka/log4j2.xml")
    archive="$(kafka_archive)"
    if [[ -f $archive ]]; then
      java+=(-XX:SharedArchiveFile="$archive" -Xlog:cds=off -Xlog:cds+dynamic=off)
    fi
    if [[ ! -f $run/kafka/data/meta.properties ]]; then
      "${java[@]}" kafka.tools.StorageTool format --ignore-formatted \
        -t "$(kafka_cluster_id)" -c "$run/kafka/server.properties"
    fi
    if [[ ! -f $archive ]]; then
      # The first stack that is stopped cleanly writes the archive for all later ones.
      java+=(-XX:ArchiveClassesAtExit="$run/kafka/classes.jsa" -Xlog:cds=off -Xlog:cds+dynamic=off)
    fi
    # Measured on two cores: the serial collector with 512 MB sustains half as much again as G1.
    process_start "$run" kafka "${java[@]}" -XX:+UseSerialGC -Xms512m -Xmx512m \
      kafka.Kafka "$run/kafka/server.properties"
  fi
  process_await "$run" kafka 180 kafka_ready "$run"
}

# Prints a random UUID in Kafka's format: 16 bytes as base64url without padding.
kafka_cluster_id() { head -c 16 /dev/urandom | base64 | tr '+/' 'xy' | cut -c 1-22; }

# Checks that the broker answers a Metadata request and lists itself, which it does only after it
# has joined its cluster; the port opens earlier. Uses raw bytes, because a Java client would cost a
# second of processor time per check.
kafka_ready() { # RUN
  kafka_answers 127.0.0.1 "$(port_of "$1" kafka)"
}

kafka_answers() { # HOST PORT
  local answer
  # Length 14; Metadata (3) version 1; correlation id 7; no client id; an empty list of topics.
  answer="$(
    (
      exec 3<>"/dev/tcp/$1/$2"
      printf '\x00\x00\x00\x0e\x00\x03\x00\x01\x00\x00\x00\x07\xff\xff\x00\x00\x00\x00' >&3
      # Length, correlation id, number of brokers.
      timeout 3 head -c 12 <&3 | od -An -v -tx1 | tr -d ' \n'
    ) 2>/dev/null
  )" || return 1
  [[ ${#answer} == 24 && ${answer:8:8} == 00000007 && ${answer:16:8} != 00000000 ]]
}

kafka_stop() { # RUN
  local run=$1 archive
  process_stop "$run" kafka TERM 60
  if [[ -s $run/kafka/classes.jsa ]]; then
    archive="$(kafka_archive)"
    # Write under a temporary name in the same folder, so that the file appears complete.
    [[ -f $archive ]] || { cp "$run/kafka/classes.jsa" "$archive.$$" && mv -f "$archive.$$" "$archive"; }
    rm -f "$run/kafka/classes.jsa"
  fi
}

kafka_url() { printf '127.0.0.1:%s' "$(port_of "$1" kafka)"; }
