#!/bin/sh
# SPDX-License-Identifier: MIT
# sqlite [ROWS [ROUNDS]]: a database in the memory of a program whose group is reclaimed to the node. It is changed and
# asked again and again; what it answers, and the hash of its content, are compared with those of the same in DRAM.
rows=${1:-8000} rounds=${2:-6}

statements() {
    cat <<END
create table item(id integer primary key, key integer, owner text, body text);
create index by_key on item(key);
with recursive n(i) as (select 1 union all select i + 1 from n where i < $rows)
insert into item select i, i * 7919 % 10007, 'customer ' || (i % 503), printf('%0200d %d', i * 31, i * i) from n;
END
    for round in $(seq "$rounds"); do
        cat <<END
select owner, count(*), sum(key), max(body) from item group by owner order by 3 desc limit 3;
select count(*), sum(length(body)) from item where key between $((round * 997)) and $((round * 997 + 500));
update item set key = (key + $round) % 10007, body = body || $round where id % 7 = $round % 7;
delete from item where id % 101 = $round;
pragma integrity_check;
END
    done
    echo .sha3sum
}

statements >/statements
sqlite3 :memory: </statements >/expected
in-group sqlite3 :memory: </statements >/found
status=$?
cat /found
wrong=$(cmp -l /expected /found | wc -l)
whole=$(grep -c '^ok$' /found)
echo "@sqlite.rounds $rounds"
echo "@sqlite.whole $whole" # rounds after which the database found itself whole
echo "@sqlite.bad $((wrong + rounds - whole))"
[ $status = 0 ] && [ -s /expected ]
