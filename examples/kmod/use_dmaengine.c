/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Uses the device of dmaengine.c as a program would: the script of `dmamap kmod run`. Returns 0, or
 * the line of the check that failed.
 */
#include "chardev.h"
#include "dmaengine.h"

#define CARD_BYTES (1u << 20)
#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			return __LINE__;                                                           \
	} while (0)

static struct kmod_open_file file;
static u8 out[200000], in[200000];
/* the driver's buffer is mapped here */
static u8 window[DMAENG_BUFFER_BYTES] __aligned(PAGE_SIZE);

static void fill(u8 *p, size_t n, u32 seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (u8)(seed * 31 + i * 7 + (i >> 8));
}

/* Every length at any position, up to the end of the card's memory. */
static int check_read_and_write(void)
{
	static const u32 lengths[] = {1, 7, 4096, 4097, 70001, 200000};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		u32 n = lengths[i];
		loff_t at = i == 5 ? CARD_BYTES - n : 3 * (loff_t)i + 1;

		fill(out, n, (u32)i);
		memset(in, 0, n);
		file.file.f_pos = at;
		CHECK(kmod_file_write(&file, out, n) == (ssize_t)n && file.file.f_pos == at + n);
		file.file.f_pos = at;
		CHECK(kmod_file_read(&file, in, n) == (ssize_t)n && !memcmp(in, out, n));
	}
	CHECK(kmod_file_read(&file, in, 8) == 0); /* at the end of the memory */
	CHECK(kmod_file_write(&file, out, 8) == -ENOSPC);
	file.file.f_pos = CARD_BYTES - 3;
	CHECK(kmod_file_read(&file, in, 8) == 3 && !memcmp(in, out + 199997, 3));
	CHECK(kmod_file_read(&file, in, 0) == 0);
	file.file.f_pos = 0;
	CHECK(kmod_file_write(&file, NULL, 16) == -EFAULT);
	return 0;
}

static int check_seek(void)
{
	loff_t (*seek)(struct file *, loff_t, int) = file.file.f_op->llseek;

	CHECK(seek(&file.file, 100, SEEK_SET) == 100 && seek(&file.file, -1, SEEK_CUR) == 99);
	CHECK(seek(&file.file, 0, SEEK_END) == CARD_BYTES);
	CHECK(seek(&file.file, 1, SEEK_END) == -EINVAL &&
	      seek(&file.file, -1, SEEK_SET) == -EINVAL);
	return 0;
}

static long transfer(u32 direction, u32 flags, u32 buffer, u32 offset, u32 length)
{
	struct dmaeng_transfer t = {direction, flags, buffer, offset, length};

	return kmod_file_ioctl(&file, DMAENG_IOC_TRANSFER, (unsigned long)&t);
}

static int check_ioctl(void)
{
	struct dmaeng_info info;

	CHECK(!kmod_file_ioctl(&file, DMAENG_IOC_RESET, 0));
	CHECK(!kmod_file_ioctl(&file, DMAENG_IOC_INFO, (unsigned long)&info));
	CHECK(info.memory_bytes == CARD_BYTES && info.buffer_bytes == DMAENG_BUFFER_BYTES);
	CHECK(!info.bytes[0] && !info.done[1]);
	fill(window, sizeof(window), 9);
	CHECK(!transfer(DMAENG_TO_CARD, 0, 0, 5000, sizeof(window)));
	memset(window, 0, sizeof(window));
	CHECK(!transfer(DMAENG_FROM_CARD, 0, 100, 5050, 1000));
	fill(in, 2000, 9);
	CHECK(!memcmp(window + 100, in + 50, 1000) && !window[99] && !window[1100]);
	CHECK(!kmod_file_ioctl(&file, DMAENG_IOC_INFO, (unsigned long)&info));
	CHECK(info.bytes[0] == sizeof(window) && info.bytes[1] == 1000 && info.done[1] == 1);
	return 0;
}

static int check_bad_ioctl(void)
{
	CHECK(kmod_file_ioctl(&file, _IO('D', 99), 0) == -ENOTTY);
	CHECK(kmod_file_ioctl(&file, DMAENG_IOC_INFO, 0) == -EFAULT);
	CHECK(kmod_file_ioctl(&file, DMAENG_IOC_TRANSFER, 0) == -EFAULT);
	CHECK(kmod_file_ioctl(&file, DMAENG_IOC_WAIT, 2) == -EINVAL);
	CHECK(transfer(2, 0, 0, 0, 8) == -EINVAL && transfer(0, 2, 0, 0, 8) == -EINVAL);
	CHECK(transfer(0, 0, 0, 0, 0) == -EINVAL);
	CHECK(transfer(0, 0, DMAENG_BUFFER_BYTES, 0, 1) == -EINVAL);
	CHECK(transfer(0, 0, ~0u, 0, 2) == -EINVAL && transfer(0, 0, 1, 0, ~0u) == -EINVAL);
	CHECK(transfer(0, 0, 0, CARD_BYTES, 1) == -EINVAL && transfer(0, 0, 0, ~0u, 2) == -EINVAL);
	return 0;
}

/* Asynchronous transfers; poll() reports their end. */
static int check_poll(void)
{
	CHECK(kmod_file_poll(&file) == (EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM));
	for (u32 i = 0; i < 200; i++) {
		fill(window, 4096, i);
		CHECK(!transfer(DMAENG_TO_CARD, DMAENG_ASYNC, 0, 4096 * i, 4096));
		while (!(kmod_file_poll(&file) & EPOLLOUT))
			host_sleep(100000);
		CHECK(!transfer(DMAENG_FROM_CARD, DMAENG_ASYNC, 8192, 4096 * i, 4096));
		CHECK(!kmod_file_ioctl(&file, DMAENG_IOC_WAIT, DMAENG_FROM_CARD));
		CHECK(!memcmp(window, window + 8192, 4096));
	}
	CHECK(!kmod_file_ioctl(&file, DMAENG_IOC_WAIT, DMAENG_TO_CARD));
	/* no transfer is pending */
	CHECK(!kmod_file_ioctl(&file, DMAENG_IOC_WAIT, DMAENG_TO_CARD));
	return 0;
}

static int check_all(void)
{
	int line = check_read_and_write();

	if (!line)
		line = check_seek();
	if (!line && kmod_file_mmap(&file, (unsigned long)window, sizeof(window)))
		line = __LINE__;
	if (!line)
		line = check_ioctl();
	if (!line)
		line = check_bad_ioctl();
	return line ? line : check_poll();
}

int kmod_user_script(void);
int kmod_user_script(void)
{
	int line = kmod_file_open("dmaengine", &file);

	if (line)
		return line;
	line = check_all();
	kmod_file_close(&file);
	return line;
}
