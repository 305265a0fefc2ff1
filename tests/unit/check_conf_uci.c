/* The UCI reader: lines, what it goes on after, what it notes. For the grammar see run-uci. */
#include "check_conf.h"
#include <string.h>
#include "conf/uci_int.h"

static void read_all(struct uci_doc *doc, const char *text)
{
	uci_read(doc, text, strlen(text), true, 0);
	ck_assert(!doc->failed);
}

START_TEST(every_section_option_and_item_knows_its_line)
{
	struct uci_doc doc;
	read_all(&doc, "\n# x\nconfig a 'n'\n\toption o 'two\nlines'\n\tlist l 1\n\n\tlist l 2\n"
		"config b\n\toption p \\\n'q'\n\toption z 1");
	const struct uci_section *a = doc.first;
	ck_assert_uint_eq(a->line, 3);
	ck_assert_uint_eq(a->first->line, 4);
	ck_assert_str_eq(a->first->first->text, "two\nlines");
	ck_assert_uint_eq(a->first->next->first->line, 6);
	ck_assert_uint_eq(a->first->next->last->line, 8);
	ck_assert_uint_eq(a->next->line, 9);
	ck_assert_uint_eq(a->next->first->line, 10);
	ck_assert_uint_eq(a->next->last->line, 12);
	ck_assert(a->next->anonymous);
	uci_fini(&doc);
}
END_TEST

START_TEST(anonymous_sections_get_libucis_names)
{
	struct uci_doc doc;
	read_all(&doc, "config listen\nconfig endpoint\nconfig listen x\nconfig listen\n");
	ck_assert_str_eq(doc.first->name, "cfg014014");
	ck_assert_str_eq(doc.last->name, "cfg044014");
	ck_assert_uint_eq(doc.sections, 4);
	uci_fini(&doc);
}
END_TEST

START_TEST(reopened_sections_and_options_are_remembered)
{
	struct uci_doc doc;
	read_all(&doc, "config a n\noption x 1\nconfig a n\noption x 2\nlist x 3\n");
	ck_assert_uint_eq(doc.sections, 1);
	ck_assert_uint_eq(doc.first->again, 3);
	ck_assert_uint_eq(doc.first->first->again, 4);
	ck_assert_str_eq(doc.first->first->first->text, "2");
	ck_assert_str_eq(doc.first->first->last->text, "3");
	uci_fini(&doc);
}
END_TEST

START_TEST(all_faults_are_found_and_a_refused_section_takes_its_options_along)
{
	struct uci_doc doc;
	read_all(&doc, "option early 1\nconfig a\nbogus\noption b-c 1\nconfig d e f\noption lost "
		"1\n"
		"config g\noption kept 1\noption open 'x\ny\n");
	unsigned line[] = { 1, 3, 4, 5, 9 };
	const struct uci_fault *f = doc.fault;
	for (size_t i = 0; i < 5; i++, f = f->next) {
		ck_assert_ptr_nonnull(f);
		ck_assert_uint_eq(f->line, line[i]);
	}
	ck_assert_ptr_null(f);
	ck_assert_uint_eq(doc.refused, 5);
	ck_assert_ptr_null(doc.first->first);
	ck_assert_str_eq(doc.last->first->name, "kept");
	uci_fini(&doc);
}
END_TEST

START_TEST(lost_text_is_noted)
{
	struct uci_doc doc;
	read_all(&doc, "config a; option x 1\noption y 1#2\noption z 'a' # fine\noption u 1;\n"
		"option v 1 ; option w 2\n");
	ck_assert_uint_eq(doc.refused, 0);
	ck_assert_uint_eq(doc.fault->line, 1);
	ck_assert(doc.fault->lost && !doc.fault->comment);
	ck_assert_uint_eq(doc.fault->next->line, 2);
	ck_assert(doc.fault->next->lost && doc.fault->next->comment);
	ck_assert_ptr_null(doc.fault->next->next);
	uci_fini(&doc);
}
END_TEST

START_TEST(a_section_of_many_options_is_read_in_one_pass)
{
	struct uci_doc doc;
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	fputs("config a\n", out);
	for (int i = 0; i < 100000; i++)
		fprintf(out, "option o%d %d\n", i, i);
	fclose(out);
	read_all(&doc, text);
	ck_assert_str_eq(doc.first->last->first->text, "99999");
	uci_fini(&doc);
	free(text);
}
END_TEST

Suite *conf_uci_suite(void)
{
	Suite *s = suite_create("conf uci");
	SUITE_TEST(s, every_section_option_and_item_knows_its_line);
	SUITE_TEST(s, anonymous_sections_get_libucis_names);
	SUITE_TEST(s, reopened_sections_and_options_are_remembered);
	SUITE_TEST(s, all_faults_are_found_and_a_refused_section_takes_its_options_along);
	SUITE_TEST(s, lost_text_is_noted);
	SUITE_TEST(s, a_section_of_many_options_is_read_in_one_pass);
	return s;
}
