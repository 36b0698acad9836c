# SPDX-License-Identifier: GPL-3.0-or-later
# rancc --report: a JSON object, and a page that needs nothing else.
. "$RAN_SRCDIR/tests/harness/lib.sh"
need_command python3 python3

expect 0 ran-design build resnet8 -o model.onnx
expect 0 rancc model.onnx -O2 --report=report.json -o model.o
expect_file model.o
cat >check.py <<'END'
import json
import sys

r = json.load(open(sys.argv[1]))
counts = {row["count"]: row for row in r["counts"]}
assert counts["parameters"]["before"] >= counts["parameters"]["after"] > 70000, counts
assert counts["macs"]["before"] > 10**7 and counts["ops"]["after"] < counts["ops"]["before"]
assert any(n["op"] == "conv" and n["macs"] > 0 and n["latency_us"] for n in r["nodes"])
assert r["latency"]["how"] == sys.argv[2] and r["latency"]["total_us"] > 0
assert len(r["kernels"]) > 5 and sum(k["value"] for k in r["kernels"]) > 0
ends = [b["y1"] for b in r["memory"]]
assert 0 < max(ends) <= r["memory_totals"]["workspace"], ends
assert all(b["x0"] < b["x1"] and b["y0"] < b["y1"] for b in r["memory"])
END
expect 0 python3 check.py report.json measured
expect 0 rancc model.onnx -O2 --target=neoverse --report=neoverse.json -o model.o
expect 0 python3 check.py neoverse.json predicted

# Names go into the page as text; nothing is fetched; tags are closed.
cat >odd.ran <<'END'
const @w = tensor<4x4xf32> noise(1, 0.5)

func @main(%x: tensor<1x4xf32>) -> (tensor<1x4xf32>) {
  %0 = matmul %x, @w : tensor<1x4xf32> loc("<script>&\"x")
  %1 = relu %0 : tensor<1x4xf32> loc("second")
  return %1
}
END
expect 0 rancc odd.ran --report=odd.html -o odd.o
expect 0 rancc model.onnx --report=model.html -o model.o
for page in odd.html model.html; do
    expect_no_text $page "<script"
    expect_no_text $page "http"
    expect_text $page "<svg "
    expect_text $page "<h2>Memory plan</h2>"
    cat >page.py <<'END'
import html.parser
import sys

open_tags = []


class Checker(html.parser.HTMLParser):
    def handle_starttag(self, tag, attributes):
        if tag != "meta":
            open_tags.append(tag)

    def handle_endtag(self, tag):
        assert open_tags.pop() == tag, (tag, self.getpos())


Checker().feed(open(sys.argv[1]).read())
assert not open_tags, open_tags
END
    expect 0 python3 page.py $page
done
expect_text odd.html "&lt;script&gt;&amp;&quot;x"

# With a symbolic batch times are predicted and sizes unknown; errors leave nothing.
cat >batch.ran <<'END'
func @main(%x: tensor<Nx4xf32>) -> (tensor<Nx4xf32>) {
  %0 = softmax %x {axis = 1} : tensor<Nx4xf32>
  %1 = add %0, %x : tensor<Nx4xf32>
  return %1
}
END
expect 0 rancc batch.ran --report=batch.json -o batch.o
expect_text batch.json '"predicted"'
expect 1 rancc missing.onnx --report=none.html -o none.o
expect 1 rancc model.onnx --report=no/directory/report.html -o other.o
expect_no_file none.html none.o no
