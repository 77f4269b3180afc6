/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Validation of UTF-8 in external texts, such as names of devices and files. JSON must be valid
 * UTF-8, and such names may contain any bytes.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/compiler.h"

/* Replacement for a byte that is not part of a character: U+FFFD. */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/*
 * Returns the length of the character at `s`, of which `n` bytes may be read. 0: there is no valid
 * character, and one byte must be replaced. Overlong forms, surrogates and values above U+10FFFF
 * are not valid (RFC 3629).
 */
static inline size_t utf8_length(const char *s, size_t n)
{
	const unsigned char *c = (const unsigned char *)s;
	unsigned char least = 0x80, most = 0xbf; /* limits of the second byte */
	size_t len;

	if (!n)
		return 0;
	if (c[0] < 0x80)
		return 1;
	if (c[0] < 0xc2 || c[0] > 0xf4)
		return 0;
	len = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
	if (len > n)
		return 0;
	if (c[0] == 0xe0)
		least = 0xa0;
	else if (c[0] == 0xed)
		most = 0x9f;
	else if (c[0] == 0xf0)
		least = 0x90;
	else if (c[0] == 0xf4)
		most = 0x8f;
	if (c[1] < least || c[1] > most)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

#endif
