# What summary.awk made, as tables in Markdown: one for each case.
function three(i, format) {
	return $i == "-" ? "-" : sprintf(format " / **" format "** / " format, $i, $(i + 1), $(i + 2))
}
function one(i, format) { return $i == "-" ? "-" : sprintf(format, $i) }
BEGIN { FS = "\t" }
/^#/ { next }
{
	id = $1 FS $2 FS $3 FS $4 FS $5
	if (id != before) {
		how = $4 == "full" ? $5 " in flight" : $4 == "half" ? "half of full" : $4 " a second"
		print (before == "" ? "" : "\n") "**" $1 ", " $2 " devices, " $3 " bytes, " how "**\n"
		print "| | CPU us an exchange | to forward | busy | exchanges/s | p50 / p99 us | lost | late | dup | wrong | of | RSS KiB |"
		print "|---|---|---|---|---|---|---|---|---|---|---|---|"
		before = id
	}
	printf "| %s | %s | %s | %s | %s | %s / %s | %d | %d | %d | %d | %.0f | %s |\n", $6, three(7, "%.2f"),
		three(10, "%.2f"), one(16, "%.2f"), three(13, "%.0f"), one(17, "%.0f"), one(18, "%.0f"),
		$19, $23, $24, $20, $21, one(22, "%d")
}
