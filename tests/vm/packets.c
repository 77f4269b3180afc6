/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm-packets make FILE COUNT: writes a capture file of generated frames of all lengths.
 *
 * vm-packets begins FILE WITH: checks that FILE begins with all packets of WITH, whatever their
 * times.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST 60
#define MOST  1514

struct record {
	uint32_t seconds, micros, kept, length;
	unsigned char data[65536];
};

static const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};

static int make(FILE *f, unsigned int count)
{
	uint64_t seed = 88172645463325252ull;
	static struct record r;

	if (fwrite(head, sizeof(head), 1, f) != 1)
		return 1;
	for (unsigned int i = 0; i < count; i++) {
		r.kept = r.length = LEAST + i * 37 % (MOST - LEAST + 1);
		for (uint32_t k = 0; k < r.kept; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			r.data[k] = (unsigned char)seed;
		}
		memcpy(r.data, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
		if (fwrite(&r, 16 + r.kept, 1, f) != 1)
			return 1;
	}
	return fclose(f) != 0;
}

static bool next(FILE *f, struct record *r)
{
	return fread(r, 16, 1, f) == 1 && r->kept <= sizeof(r->data) &&
	       fread(r->data, r->kept, 1, f) == 1;
}

static int begins(FILE *f, FILE *with)
{
	static struct record a, b;
	uint32_t skip[6];
	unsigned int n;

	if (fread(skip, sizeof(skip), 1, f) != 1 || fread(skip, sizeof(skip), 1, with) != 1)
		return 1;
	for (n = 0; next(with, &b); n++)
		if (!next(f, &a) || a.kept != b.kept || memcmp(a.data, b.data, a.kept) != 0) {
			printf("packet %u is not the same\n", n);
			return 1;
		}
	return !n;
}

int main(int argc, char **argv)
{
	FILE *f, *with = NULL;

	if (argc != 4)
		return 2;
	f = fopen(argv[2], strcmp(argv[1], "make") ? "rb" : "wb");
	if (f && !strcmp(argv[1], "make"))
		return make(f, (unsigned int)atoi(argv[3]));
	with = fopen(argv[3], "rb");
	if (f && with)
		return begins(f, with);
	perror("vm-packets");
	return 1;
}
