#!/bin/sh
# SPDX-License-Identifier: MIT
# redis [KEYS [ROUNDS]]: a server whose group is reclaimed to the node. Every value is read back and compared, again and
# again, and one in eight is changed for the next time.
keys=${1:-4000} rounds=${2:-3}

commands() { # VERB ROUND: of all keys that have changed in this round, or GET: of all, as they are then
    awk -v verb="$1" -v round="$2" -v keys="$keys" 'BEGIN {
        for (i = 0; i < keys; i++) {
            # A key is changed in the rounds that are its number modulo 8.
            version = round - (round - i % 8 + 8) % 8
            if (version < 0) version = 0
            if (verb == "GET") { print "GET key:" i; continue }
            if (verb == "SET" && version != round && round) continue
            value = "round " version
            for (j = 1; length(value) < 1000; j++) value = value "," (i * j * 7919 + version) % 10007
            print verb == "SET" ? "SET key:" i " \"" value "\"" : value
        }
    }'
}

mkdir -p /tmp
in-group redis-server --port 0 --unixsocket /tmp/redis --save "" --appendonly no --loglevel warning >/tmp/log &
for _ in $(seq 100); do [ -S /tmp/redis ] && break; sleep 0.1; done
bad=0 checked=0
for round in $(seq 0 $((rounds - 1))); do
    commands SET "$round" | redis-cli -s /tmp/redis >/tmp/stored
    bad=$((bad + $(grep -vc '^OK$' /tmp/stored)))
    sleep 3 # for its values to go cold
    commands GET "$round" | redis-cli -s /tmp/redis >/tmp/found
    commands value "$round" >/tmp/expected
    checked=$((checked + $(wc -l </tmp/found)))
    bad=$((bad + $(cmp -l /tmp/expected /tmp/found | wc -l)))
    echo "round $((round + 1)): $(wc -l </tmp/stored) values stored, $(wc -l </tmp/found) read"
done
redis-cli -s /tmp/redis info memory | sed -n 's/^used_memory:\([0-9]*\).*/@redis.used_memory \1/p'
redis-cli -s /tmp/redis shutdown nosave
wait $!
status=$?
cat /tmp/log
echo "@redis.checked $checked"
echo "@redis.bad $bad"
[ $status = 0 ] && [ "$checked" = $((keys * rounds)) ]
