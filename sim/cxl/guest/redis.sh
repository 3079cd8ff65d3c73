#!/bin/sh
# SPDX-License-Identifier: MIT
# redis [KEYS [ROUNDS]]: a server whose group is reclaimed to the node, and a client that is not in it. Strings, counters,
# hashes, lists and sorted sets are changed and asked for again and again; every answer, and the digest of all content
# after each round, are compared with those of a server in DRAM.
keys=${1:-200} rounds=${2:-2}

commands() {
    awk -v keys="$keys" -v rounds="$rounds" 'BEGIN {
        for (i = 1; i <= keys; i++) {
            printf "set item:%d \"customer %d %0200d\"\n", i, i % 503, i * 31
            printf "hset owner:%d item:%d %d\nzadd rank %d item:%d\n", i % 53, i, i * 7919 % 10007, i * 7919 % 10007, i
        }
        for (round = 1; round <= rounds; round++) {
            for (i = round % 7; i <= keys; i += 7) {
                if (!i) continue
                printf "append item:%d \" changed in %d\"\nget item:%d\n", i, round, i
                printf "hincrby owner:%d total %d\nrpush log:%d %d\n", i % 53, i, i % 31, i
            }
            for (i = round % 101; i <= keys; i += 101) printf "del item:%d\nzrem rank item:%d\n", i, i
            printf "zrange rank 0 9 withscores\nhget owner:%d total\nlrange log:%d 0 -1\n", round % 53, round % 31
            print "debug digest\ndbsize"
        }
    }'
}

ask() { # SOCKET: the commands' answers
    for _ in $(seq 1000); do [ -S "$1" ] && break; sleep 0.1; done
    redis-cli -s "$1" </commands
    redis-cli -s "$1" shutdown nosave
}

serve() { # SOCKET [BEFORE...]: a server
    socket=$1
    shift
    "$@" redis-server --port 0 --unixsocket "$socket" --save '' --enable-debug-command yes --loglevel warning \
        --io-threads 1 >"$socket.log" 2>&1 &
}

commands >/commands
serve /in-dram
ask /in-dram >/expected
wait $!
serve /in-cold in-group
server=$!
ask /in-cold >/found
wait $server
status=$?
cat /in-cold.log
digests=$(grep -cE '^[0-9a-f]{40}$' /found)
echo "@redis.commands $(wc -l </commands)"
echo "@redis.digests $digests"
echo "@redis.bad $(($(cmp -l /expected /found | wc -l) + rounds - digests))"
[ $status = 0 ] && [ -s /expected ]
