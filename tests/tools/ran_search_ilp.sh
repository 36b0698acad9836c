# SPDX-License-Identifier: GPL-3.0-or-later
# ran-search ilp: selections from a table; the integer program as another solver understands it.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >table.txt <<'END'
# five layers, four candidates each
layer candidate loss latency
a keep 0 10
a a1 503 4
a a2 211 7
a a3 907 1
b keep 0 12
b b1 331 6
b b2 127 9
b b3 811 2
c keep 0 8
c c1 719 3
c c2 409 5
c c3 613 2
d keep 0 15
d d1 223 7
d d2 601 4
d d3 307 6
e keep 0 9
e e1 401 5
e e2 131 8
e e3 523 1
END

expect 0 ran-search ilp --table=table.txt --budget=latency=0.5x -k 6
expect_text out "1: loss 1580, latency 26"
expect_text out "  a1 b1 keep d1 e3"
expect_text out "2: loss 1641, latency 27"
expect_text out "  keep b3 keep d3 e3"
expect_text out "3: loss 1666"
expect_text out "4: loss 1690"
expect_text out "5: loss 1697"
expect_text out "6: loss 1697"

expect 0 ran-search ilp --table=table.txt --budget=27 --json -k 2
python3 - <<'END' || fail "JSON"
import json
result = json.load(open("out"))
assert result["layers"] == 5 and result["overlap"] == 3
first, second = result["solutions"]
assert first["choice"] == [1, 1, 0, 1, 3] and first["loss_sum"] == 1580 and first["optimal"]
assert first["cost"] == {"latency": 26} and first["loss"] == 316
assert second["candidates"] == ["keep", "b3", "keep", "d3", "e3"]
END

# What no candidate changes is part of the budget: as if it were 26 and 27 without it.
{ cat table.txt; echo "- rest 0 5"; } >fixed.txt
expect 0 ran-search ilp --table=fixed.txt --budget=31
expect_text out "1: loss 1580, latency 31"

# A budget that can't be met names the smallest that can.
expect 4 ran-search ilp --table=table.txt --budget=9
expect_text err "latency=10 is the smallest that can be met"
expect 0 ran-search ilp --table=table.txt --budget=10
expect_text out "a3 b3 c3 d2 e3"

# Other selections are never better.
for method in greedy random; do
    expect 0 ran-search ilp --table=table.txt --budget=0.5x --method=$method --json
    python3 -c 'import json; s = json.load(open("out"))["solutions"][0]
assert s["loss_sum"] >= 1580 and s["cost"]["latency"] <= 27' || fail "$method"
done

# Wrong tables and options.
printf 'layer candidate loss latency\na keep 0\n' >bad.txt
expect 1 ran-search ilp --table=bad.txt --budget=1
expect_text err "bad.txt:2:1: error: 3 columns, expected 4"
printf 'layer candidate loss latency\na keep zero 1\n' >bad.txt
expect 1 ran-search ilp --table=bad.txt --budget=1
expect_text err "loss: expected a number, not zero"
printf 'layer loss\n' >bad.txt
expect 1 ran-search ilp --table=bad.txt --budget=1
expect 1 ran-search ilp --table=missing.txt --budget=1
expect 2 ran-search ilp --table=table.txt --budget=macs=0.5x
expect_text err "no such column"
expect 2 ran-search ilp --table=table.txt --budget=latency=fast
expect 2 ran-search ilp --budget=1
expect 2 ran-search no-such-command
expect 2 ran-search

# Another solver reads the program and finds the same.
expect 0 ran-search ilp --table=table.txt --budget=0.5x -k 3 --lp-out=first.lp
expect_file first.lp
expect 0 ran-search ilp --table=table.txt --budget=0.5x -k 3 --lp-out=third.lp --lp-solution=3
expect_text third.lp "overlap_2"
need_command cbc coinor-cbc
cbc first.lp ratioGap 0 solve >cbc1 2>&1
expect_text cbc1 "316.0000"
cbc third.lp ratioGap 0 solve >cbc3 2>&1
expect_text cbc3 "333.2000"
