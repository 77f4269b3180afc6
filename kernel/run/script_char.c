/* SPDX-License-Identifier: BSD-2-Clause */
/* The script for character devices: open, poll, write and read back, close. */
#include "script.h"
#include "../char/chardev.h"

void kmod_script_char(void)
{
	static u8 out[4096], in[4096];
	struct kmod_open_file f;
	u32 rounds = (u32)kmod_option_int("tx", 30);
	ssize_t wrote = 0, got = 0;
	int err = kmod_file_open(NULL, &f);

	kmod_event("\"open\":%d", err);
	if (err)
		return;
	for (u32 i = 0; i < rounds && !host_stopped(); i++) {
		for (unsigned int n = 0; n < sizeof(out); n++)
			out[n] = (u8)(n * 31 + i);
		kmod_file_poll(&f);
		wrote = kmod_file_write(&f, out, sizeof(out) >> (i % 6));
		got = kmod_file_read(&f, in, sizeof(in) >> (i % 6));
		kmod_progressed();
	}
	kmod_event("\"wrote\":%zd,\"read\":%zd", wrote, got);
	kmod_file_close(&f);
}
