/* SPDX-License-Identifier: BSD-2-Clause */
/* UTF-8: every character there is, written by another rule, and nothing else. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"

#include <string.h>

/* Writes a code point as RFC 3629's table has it; its length. */
static size_t encode(u32 c, char *out)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n - 1; i; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(first[n] | c);
	return n;
}

static void test_every_character(void **state)
{
	char text[4];

	for (u32 c = 0; c < 0x110000; c++) {
		size_t n = encode(c, text), want = c >= 0xd800 && c < 0xe000 ? 0 : n;

		if (utf8_length(text, n) != want)
			fail_msg("U+%04x: not %zu", c, want);
		/* its end is missing */
		for (size_t k = 0; k < n; k++)
			assert_int_equal(utf8_length(text, k), 0);
	}
}

/* As many texts of three and four bytes are characters as there are characters. */
static void test_nothing_else(void **state)
{
	u32 two = 0, three = 0, four = 0;
	char text[4];

	for (u32 v = 0; v < 1u << 16; v++) {
		text[0] = (char)(v >> 8);
		text[1] = (char)v;
		two += utf8_length(text, 2) == 2;
	}
	for (u32 v = 0; v < 1u << 24; v++) {
		text[0] = (char)(v >> 16);
		text[1] = (char)(v >> 8);
		text[2] = (char)v;
		three += utf8_length(text, 3) == 3;
	}
	/* the third and fourth byte follow one rule */
	for (u32 v = 0; v < 1u << 24; v++) {
		text[0] = (char)(0xf0 | v >> 21);
		text[1] = (char)(v >> 13);
		text[2] = (char)(v >> 5);
		text[3] = (char)(v << 3);
		four += utf8_length(text, 4) == 4;
	}
	assert_int_equal(two, 0x800 - 0x80);
	assert_int_equal(three, 0x10000 - 0x800 - 0x800);
	assert_int_equal(four, (0x110000 - 0x10000) / 8);
	for (u32 first = 0x80; first < 0xc2; first++) {
		memset(text, 0x80, sizeof(text));
		text[0] = (char)first;
		assert_int_equal(utf8_length(text, 4), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_nothing_else),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
