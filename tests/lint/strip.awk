# Prints FILE:LINE:text of C files without comments, and with empty strings and characters.
function strip(line,    out, i, c, two) {
	out = ""
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (comment) {
			if (two == "*/") {
				comment = 0
				i++
			}
		} else if (quote != "") {
			if (c == "\\")
				i++
			else if (c == quote) {
				quote = ""
				out = out c
			}
		} else if (two == "//") {
			break
		} else if (two == "/*") {
			comment = 1
			i++
		} else {
			if (c == "\"" || c == "'")
				quote = c
			out = out c
		}
	}
	quote = ""
	return out
}
FNR == 1 { comment = 0; quote = "" }
{ print FILENAME ":" FNR ":" strip($0) }
