# Raw lines (see measure.sh) to one line for each kind and case, tab separated, for gnuplot and table.awk:
# least, median and most over the rounds; ratios are to the forwarder of the same round and case.
function sorted(list, v, n, i, j, t) {
	n = split(list, v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) {
			t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
		}
	return n
}
function three(list, v, n) {
	n = sorted(list, v)
	return n == 0 ? "-\t-\t-" : v[1] "\t" v[int((n + 1) / 2)] "\t" v[n]
}
# What tells runs of IPv6 apart.
function label(kind) { return kind ~ /-ipv6$/ ? "-ipv6" : "" }
function middle(list, v, n) {
	n = sorted(list, v)
	return n == 0 ? "-" : v[int((n + 1) / 2)]
}
{
	id = $2 "\t" $3 "\t" $4 "\t" $5 "\t" $6
	row = id "\t" $1
	if (!(id in known)) { known[id]; ids[++cases] = id }
	if (!(row in seen)) { seen[row]; kinds[id] = kinds[id] " " $1 }
	rounds[row] = rounds[row] " " $7
	for (i = 8; i <= NF; i++)
		if (split($i, a, "=") == 2) {
			list[row, a[1]] = list[row, a[1]] " " a[2]
			sum[row, a[1]] += a[2]
			one[row, $7, a[1]] = a[2]
		}
}
END {
	print "#scenario\tdevices\tpayload\tload\tinflight\tkind\tcpu_min\tcpu\tcpu_max\tratio_min\tratio\tratio_max" \
		"\trate_min\trate\trate_max\tbusy\tp50\tp99\tlost\twrong\tok\trss\tlate\tdup"
	for (c = 1; c <= cases; c++) {
		n = split(ids[c], w, "\t")
		m = split(kinds[ids[c]], k, " ")
		for (j = 1; j <= m; j++) {
			row = ids[c] "\t" k[j]
			ratio = ""
			n = split(rounds[row], r, " ")
			for (i = 1; i <= n; i++) {
				base = one[ids[c] "\tforward" label(k[j]), r[i], "cpu_us"]
				if (base > 0 && one[row, r[i], "cpu_us"] > 0 && k[j] !~ /^direct/)
					ratio = ratio " " one[row, r[i], "cpu_us"] / base
			}
			print row "\t" three(list[row, "cpu_us"]) "\t" three(ratio) "\t" \
				three(list[row, "rate"]) "\t" middle(list[row, "busy"]) "\t" \
				middle(list[row, "p50_us"]) "\t" middle(list[row, "p99_us"]) "\t" \
				sum[row, "lost"] + 0 "\t" sum[row, "foreign"] + sum[row, "bad"] "\t" \
				sum[row, "ok"] + 0 "\t" middle(list[row, "rss_kb"]) "\t" \
				sum[row, "late"] + 0 "\t" sum[row, "dup"] + 0
		}
	}
}
