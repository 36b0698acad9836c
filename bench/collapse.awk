# SPDX-License-Identifier: GPL-3.0-or-later
# Files: the names of nodes in order; the verdicts of collapse-linear; times of kernels. Prints a line
# a collapsed piece, and one for those together.

function median(values, count,    i, j, x) {
    for (i = 2; i <= count; i++) {
        x = values[i]
        for (j = i - 1; j >= 1 && values[j] > x; j--)
            values[j + 1] = values[j]
        values[j + 1] = x
    }
    return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
}

FNR == 1 { file++ }
file == 1 && !($1 in place) { place[$1] = FNR }
file == 2 && /^collapse-linear: .* -> / {
    pieces++
    first[pieces] = $2
    last[pieces] = $4
    match($0, /\) -> .*: predicted/)
    shape[pieces] = substr($0, RSTART + 5, RLENGTH - 16)
    match($0, /predicted [0-9.]+ us instead of [0-9.]+/)
    split(substr($0, RSTART, RLENGTH), words, " ")
    predicted["after", pieces] = words[2]
    predicted["before", pieces] = words[6]
}
file == 3 && ($3 in place) {
    nodes[$3]
    measured[$1, $3, $2] += $4
    if ($2 >= rounds)
        rounds = $2 + 1
}

function summed(side, p,    round, values, name, all) {
    for (name in nodes) {
        if (place[name] < place[first[p]] || place[name] > place[last[p]] ||
            !((side, name, 0) in measured))
            continue
        for (round = 0; round < rounds; round++)
            values[round + 1] = measured[side, name, round]
        all += median(values, rounds)
    }
    return all
}

function off(said, was) {
    return 100 * (said / was - 1)
}

function line(name, text, said_before, before, said_after, after,    wrong) {
    wrong = after >= before ? "slower" : ""
    if (off(said_before, before) ^ 2 > 900 || off(said_after, after) ^ 2 > 900)
        wrong = wrong (wrong ? ", " : "") "more than 30 %"
    misses += wrong != ""
    printf "%-28s %9.1f %9.1f %+5.0f%%  %9.1f %9.1f %+5.0f%%  %5.2fx  %s%s\n", name, said_before,
        before, off(said_before, before), said_after, after, off(said_after, after), before / after,
        text, wrong ? "  OFF: " wrong : ""
}

END {
    if (!pieces || !rounds) {
        print "nothing was collapsed"
        exit 1
    }
    printf "%-28s %9s %9s %6s  %9s %9s %6s  %6s  %s\n", "piece, us", "predicted", "before", "off",
        "predicted", "after", "off", "faster", "as"
    for (p = 1; p <= pieces; p++) {
        before = summed("before", p)
        after = summed("after", p)
        line(first[p], shape[p], predicted["before", p], before, predicted["after", p], after)
        all["said", "before"] += predicted["before", p]
        all["said", "after"] += predicted["after", p]
        all["before"] += before
        all["after"] += after
    }
    single = misses
    line("together", "", all["said", "before"], all["before"], all["said", "after"], all["after"])
    printf "%d of %d pieces are off\n", single, pieces
}
