/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as the capture file of a network card. The card's counters must equal those of a
 * second, simpler reading of the bytes: the number of frames, the number of truncated ones, and at
 * most one error at which the file ends.
 */
#include "e1000e.h"
#include "fake_bus.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct counts {
	u32 all, cut, broken;
};

static u32 get(const u8 *p, bool swapped)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return swapped ? __builtin_bswap32(v) : v;
}

/* False: the bytes are not a capture file. */
static bool count(const u8 *p, size_t size, struct counts *c)
{
	static const u32 magic[] = {0xa1b2c3d4, 0xa1b23c4d};
	bool swapped = false, known = false;
	size_t at;
	u32 kept;

	*c = (struct counts){0};
	for (int i = 0; size >= 24 && i < 4; i++) {
		if (get(p, i & 1) == magic[i / 2]) {
			known = true;
			swapped = i & 1;
		}
	}
	if (!known || (get(p + 20, swapped) & 0xffff) != 1)
		return false;
	for (at = 24; at < size; at += 16 + kept) {
		if (size - at < 16)
			break;
		kept = get(p + at + 8, swapped);
		if (kept > 262144 || kept > size - at - 16)
			break;
		c->all++;
		c->cut += kept < get(p + at + 12, swapped) && kept >= 14 && kept <= 1518;
	}
	c->broken = at < size;
	return true;
}

static u32 reg(void *model, u64 offset)
{
	return (u32)model_e1000e.read(model, 0, offset, 4);
}

static void play(void *model, const struct counts *want)
{
	struct counts got = {0};

	model_e1000e.write(model, 0, REG_CTRL, 4, CTRL_SLU);
	model_e1000e.write(model, 0, REG_RDLEN, 4, 128);
	/* no frame is addressed to this card: the filters drop them, but they are counted */
	model_e1000e.write(model, 0, REG_RAL + 4, 4, 0);
	model_e1000e.write(model, 0, REG_RCTL, 4, RCTL_EN | RCTL_SECRC);
	while (got.all < want->all || got.broken < want->broken || got.cut < want->cut) {
		sched_yield();
		got.all += reg(model, 0x40d0);
		got.broken += reg(model, 0x400c);
		got.cut += reg(model, 0x4000);
	}
	/* and no more of them */
	model_e1000e.write(model, 0, REG_RCTL, 4, 0);
	if (memcmp(&got, want, sizeof(got)) || reg(model, 0x40d0) || reg(model, 0x400c) ||
	    reg(model, 0x4000))
		abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fake_arg arg = {"pcap-in", NULL};
	struct counts want;
	char path[32];
	void *model;
	bool good;
	int fd;

	fake_reset();
	fd = memfd_create("pcap", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	arg.value = path;
	good = count(data, size, &want);
	if (fake_create(&model_e1000e, &arg, 1, &model)) {
		if (good)
			abort();
	} else {
		if (!good)
			abort();
		play(model, &want);
		fake_destroy(&model_e1000e, model);
	}
	close(fd);
	return 0;
}
