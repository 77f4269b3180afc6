/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peer at the other end of the wire. A frame of the script has a magic number, its sequence
 * number, and bytes that are computed from that number, so that either side can check every byte.
 * The peer is never more than `window` frames ahead of those that the driver has passed up, so that
 * no card drops any.
 */
#include "net.h"

#define FRAME_TYPE  0x88b5 /* IEEE 802: local experiments */
#define FRAME_MAGIC 0x6b6d6f64u
#define FRAME_HEAD  (ETH_HLEN + 10)
#define FRAME_MAX   16384

struct kmod_wire kmod_wire = {.fd = -1, .mac = {0x02, 0x82, 0x57, 0x4b, 0x00, 0x01}};
atomic64_t kmod_rx_good, kmod_rx_wrong;

static u8 frame_byte(u32 seq, unsigned int i)
{
	return (u8)((seq * 2654435761u >> 11) + i * 31 + (i >> 8) * 7);
}

static void frame_put(u8 *p, u32 v)
{
	p[0] = (u8)(v >> 24);
	p[1] = (u8)(v >> 16);
	p[2] = (u8)(v >> 8);
	p[3] = (u8)v;
}

static u32 frame_get(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

unsigned int kmod_frame_size(u32 seq, unsigned int size, unsigned int mtu)
{
	static const unsigned int sizes[] = {60,   64,	 65,   128, 333,  590,
					     1024, 1500, 1514, 61,  1513, 777};
	unsigned int n = size ? size : sizes[seq % ARRAY_SIZE(sizes)];

	return clamp(n, 60u, min(mtu + ETH_HLEN, (unsigned int)FRAME_MAX));
}

unsigned int kmod_frame_fill(u8 *frame, const u8 *dst, const u8 *src, u32 seq, unsigned int size)
{
	memcpy(frame, dst, ETH_ALEN);
	memcpy(frame + ETH_ALEN, src, ETH_ALEN);
	frame[12] = FRAME_TYPE >> 8;
	frame[13] = FRAME_TYPE & 0xff;
	frame_put(frame + ETH_HLEN, FRAME_MAGIC);
	frame_put(frame + ETH_HLEN + 4, seq);
	frame[ETH_HLEN + 8] = (u8)(size >> 8);
	frame[ETH_HLEN + 9] = (u8)size;
	for (unsigned int i = FRAME_HEAD; i < size; i++)
		frame[i] = frame_byte(seq, i);
	return size;
}

int kmod_frame_check(const u8 *frame, unsigned int len, u32 *seq)
{
	unsigned int size;

	if (len < FRAME_HEAD || frame[12] != FRAME_TYPE >> 8 || frame[13] != (FRAME_TYPE & 0xff) ||
	    frame_get(frame + ETH_HLEN) != FRAME_MAGIC)
		return -ENOENT;
	*seq = frame_get(frame + ETH_HLEN + 4);
	size = (unsigned int)frame[ETH_HLEN + 8] << 8 | frame[ETH_HLEN + 9];
	if (size > len)
		return -EIO;
	for (unsigned int i = FRAME_HEAD; i < size; i++) {
		if (frame[i] != frame_byte(*seq, i))
			return -EIO;
	}
	return 0;
}

static void wire_take(const u8 *frame, unsigned int len)
{
	u32 seq;
	int err = kmod_frame_check(frame, len, &seq);

	if (err == -ENOENT)
		return;
	if (err)
		atomic64_inc(&kmod_wire.wrong);
	else
		atomic64_inc(&kmod_wire.received);
	kmod_progressed();
}

static bool wire_may_send(const struct kmod_wire *w)
{
	u64 sent = (u64)atomic64_read(&w->sent);

	return w->go && sent < w->rx_wanted &&
	       sent < (u64)atomic64_read(&kmod_rx_good) + (u64)atomic64_read(&kmod_rx_wrong) +
			       w->window;
}

static void wire_main(void *arg)
{
	struct kmod_wire *w = arg;
	u8 *frame = host_calloc(1, FRAME_MAX);

	kmod_context()->what = "peer";
	while (frame && !w->stop) {
		struct net_device *dev = kmod_netdev;
		long n;

		if (dev && w->nudge) { /* a frame of another type, as on any real network */
			memset(frame, 0xff, 60);
			frame[12] = 0x88;
			frame[13] = 0xb6;
			w->nudge = false;
			host_send(w->fd, frame, 60);
		}
		while (dev && wire_may_send(w) && !w->stop) {
			u32 seq = (u32)atomic64_read(&w->sent);
			unsigned int size = kmod_frame_size(seq, w->size, dev->mtu);

			kmod_frame_fill(frame, dev->dev_addr, w->mac, seq, size);
			if (host_send(w->fd, frame, size) < 0)
				break;
			atomic64_inc(&w->sent);
		}
		n = host_recv(w->fd, frame, FRAME_MAX, 1);
		if (n > 0)
			wire_take(frame, (unsigned int)n);
		else if (n < 0 && n != -EAGAIN)
			host_sleep(1000000);
	}
	host_free(frame);
}

int kmod_wire_start(int fd)
{
	kmod_wire.fd = fd;
	kmod_wire.thread = host_thread_start(wire_main, &kmod_wire, "peer");
	return kmod_wire.thread ? 0 : -EAGAIN;
}

void kmod_wire_stop(void)
{
	kmod_wire.stop = true;
	if (kmod_wire.thread)
		host_thread_join(kmod_wire.thread);
	kmod_wire.thread = 0;
}
