# SPDX-License-Identifier: GPL-3.0-or-later
# ran-stat on a real network, against its published numbers: 78666 parameters, 12.5 million MACs.
. "$RAN_SRCDIR/tests/harness/lib.sh"

need_model mlperf_resnet8
expect 0 ran-stat --json "$MODEL"
expect_text out '"parameters": 78666'
expect_text out '"macs": 12501632'
expect 0 ran-stat --rule=ran --json "$MODEL"
expect_text out '"macs": 12500992'
