/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random reads and writes of a disk for some seconds, without the kernel's cache, with
 * verification: vm-random DISK SECONDS. Each block of 4 KiB has its number and how often it was
 * written. A table in memory has the count that the block must have.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK  4096u
#define BLOCKS 16384u /* 64 MiB of the disk */
#define MOST   32u    /* blocks of one access */

static uint32_t written[BLOCKS];
static uint64_t state = 88172645463325252ull;

static uint32_t pick(uint32_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % limit;
}

static void block_fill(uint64_t *p, uint32_t block)
{
	for (uint32_t i = 0; i < BLOCK / 8; i++)
		p[i] = ((uint64_t)block << 32 | written[block]) * 0x9e3779b97f4a7c15ull + i;
}

static int access_one(int fd, uint8_t *buf, uint8_t *want, int write_it)
{
	uint32_t n = 1 + pick(MOST), at = pick(BLOCKS - n);
	size_t bytes = (size_t)n * BLOCK;
	off_t offset = (off_t)at * BLOCK;

	for (uint32_t i = 0; i < n; i++) {
		written[at + i] += (uint32_t)write_it;
		block_fill((uint64_t *)(want + (size_t)i * BLOCK), at + i);
	}
	if (write_it)
		return pwrite(fd, want, bytes, offset) == (ssize_t)bytes ? 0 : -errno;
	if (pread(fd, buf, bytes, offset) != (ssize_t)bytes)
		return -errno;
	return memcmp(buf, want, bytes) ? -EILSEQ : 0;
}

int main(int argc, char **argv)
{
	uint8_t *buf = aligned_alloc(BLOCK, MOST * BLOCK),
		*want = aligned_alloc(BLOCK, MOST * BLOCK);
	int fd = argc == 3 ? open(argv[1], O_RDWR | O_DIRECT) : -1, err = 0;
	time_t end = time(NULL) + (argc == 3 ? atoi(argv[2]) : 0);
	unsigned long n = 0;

	if (fd < 0 || !buf || !want) {
		fprintf(stderr, "usage: vm-random DISK SECONDS, or the disk cannot be opened\n");
		return 2;
	}
	for (uint32_t at = 0; at < BLOCKS && !err; at++) {
		block_fill((uint64_t *)want, at);
		err = pwrite(fd, want, BLOCK, (off_t)at * BLOCK) == BLOCK ? 0 : -errno;
	}
	for (; !err && time(NULL) < end; n++)
		err = access_one(fd, buf, want, n % 3 == 0);
	for (uint32_t at = 0; at < BLOCKS && !err; at++) {
		block_fill((uint64_t *)want, at);
		err = pread(fd, buf, BLOCK, (off_t)at * BLOCK) != BLOCK ? -errno
		      : memcmp(buf, want, BLOCK)			? -EILSEQ
									: 0;
	}
	printf("%lu accesses: %s\n", n, err ? strerror(-err) : "all as written");
	return err != 0;
}
