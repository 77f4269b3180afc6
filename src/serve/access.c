/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses of the device that the page table refuses. An access to a window whose memory the client
 * did not pass is made by messages; any other access is wrong and becomes a fault. Threads of the
 * model call these functions.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "serve/served.h"

#include <string.h>

#define PIECE_MAX   (128u * 1024) /* data of one message */
#define PIECE_SMALL 4096u	  /* a reply with at most this data is received on the stack */

#define HEAD sizeof(struct vfuser_dma_access)

/* Checks the reply and copies its data. 0, or DMAMAP_FAULT_GONE. */
static int access_check_reply(const u8 *reply, s64 size, u64 addr, u8 *buf, u32 n, bool write)
{
	struct vfuser_dma_access got = {0};
	s64 least = write ? VFUSER_DMA_WRITE_REPLY_MIN : (s64)HEAD + n;

	if (size < least || size > (s64)HEAD + (write ? 0 : n))
		return DMAMAP_FAULT_GONE;
	memcpy(&got, reply, (size_t)min_u64((u64)size, HEAD));
	if (got.address != addr || (u32)got.count != n)
		return DMAMAP_FAULT_GONE;
	if (!write)
		memcpy(buf, reply + HEAD, n);
	return 0;
}

/* Moves one piece by a message. 0, enum dmamap_fault_reason, -ENOMEM. */
static int access_message(struct served *s, u64 addr, u8 *buf, u32 n, bool write)
{
	struct vfuser_dma_access head = {.address = addr, .count = n};
	const struct iovec part[2] = {{&head, sizeof(head)}, {buf, write ? n : 0}};
	u8 few[HEAD + PIECE_SMALL], *reply = few, *heap = NULL;
	u32 room = (u32)HEAD + (write ? 0 : n);
	s64 got;
	int err;

	if (room > sizeof(few)) {
		heap = reply = alloc_zeroed(room);
		if (!heap)
			return -ENOMEM;
	}
	serve_count(s, messages);
	got = serve_link_ask(&s->link, write ? VFUSER_DMA_WRITE : VFUSER_DMA_READ, part, reply,
			     room);
	err = got < 0 ? DMAMAP_FAULT_GONE : access_check_reply(reply, got, addr, buf, n, write);
	if (got >= 0 && err)
		serve_misuse(s, MISUSE_MESSAGE,
			     "the reply to a DMA message for %u bytes at %#llx is wrong", n,
			     (unsigned long long)addr);
	alloc_free(heap);
	return err;
}

static int access_messages(struct served *s, u64 addr, u8 *buf, u64 len, bool write)
{
	u64 most = min_u64(PIECE_MAX, s->peer.max_data_xfer_size);
	int err = 0;

	for (u64 done = 0, n; done < len && !err; done += n) {
		n = min_u64(len - done, most);
		err = access_message(s, addr + done, buf + done, (u32)n, write);
	}
	return err;
}

/* Returns the part of the access that begins at addr and is in one window. */
static int access_part(struct served *s, u64 addr, u64 len, bool write, struct serve_window *w,
		       u64 *n)
{
	if (!window_find(&s->windows, addr, w) || w->addr > addr)
		return DMAMAP_FAULT_NOT_MAPPED;
	if (!(w->flags & (write ? VFUSER_MAP_WRITE : VFUSER_MAP_READ)))
		return write ? DMAMAP_FAULT_NO_WRITE : DMAMAP_FAULT_NO_READ;
	*n = min_u64(len, w->size - (addr - w->addr));
	return 0;
}

/*
 * Checks the whole range before it moves the first byte. A part that is mapped into this process is
 * accessed by a bus access of its own. If the page table refuses that access, too, the client has
 * unmapped the window meanwhile; the nested call of this function then does not find the window.
 */
static int access_by_windows(struct device *dev, dma_addr_t addr, u8 *buf, size_t len, bool write)
{
	struct served *s = dmamap_get_drvdata(dev);
	struct serve_window w;
	int err = 0;
	u64 n;

	for (u64 done = 0; done < len && !err; done += n)
		err = access_part(s, addr + done, len - done, write, &w, &n);
	if (err || !buf)
		return err;
	for (u64 done = 0; done < len && !err; done += n) {
		err = access_part(s, addr + done, len - done, write, &w, &n);
		if (err)
			break;
		if (!w.mem)
			err = access_messages(s, addr + done, buf + done, n, write);
		else if (write)
			err = dmamap_bus_write(dev, addr + done, buf + done, n);
		else
			err = dmamap_bus_read(dev, addr + done, buf + done, n);
	}
	return err;
}

static void access_fault(struct device *dev, const struct dmamap_fault *f)
{
	struct served *s = dmamap_get_drvdata(dev);
	const char *what = f->write ? "write" : "read";
	unsigned long long at = f->addr;

	serve_count(s, faults);
	switch (f->reason) {
	case DMAMAP_FAULT_NO_READ:
	case DMAMAP_FAULT_NO_WRITE:
		serve_misuse(s, MISUSE_DIRECTION,
			     "the driver gave the device %#llx for a %s of %zu bytes, and the "
			     "client's mapping there does not permit it",
			     at, what, f->len);
		break;
	case DMAMAP_FAULT_GONE:
		serve_misuse(s, MISUSE_GONE,
			     "a %s of %zu bytes at %#llx failed: the client has truncated the file "
			     "behind its mapping, or refused the message",
			     what, f->len, at);
		break;
	case DMAMAP_FAULT_NO_MASTER:
		serve_misuse(s, MISUSE_NO_MASTER,
			     "a %s of %zu bytes at %#llx was refused: the driver has not enabled "
			     "bus mastering (bit 2 of the command register)",
			     what, f->len, at);
		break;
	default:
		if (window_was_there(&s->windows, f->addr, f->len ? f->len : 1))
			serve_misuse(s, MISUSE_UNMAPPED,
				     "use after unmap: a %s of %zu bytes at %#llx, which the "
				     "client has unmapped",
				     what, f->len, at);
		else
			serve_misuse(s, MISUSE_NEVER_MAPPED,
				     "a %s of %zu bytes at %#llx, which was never mapped", what,
				     f->len, at);
	}
}

static void access_misuse(struct device *dev, const char *text)
{
	serve_misuse(dmamap_get_drvdata(dev), MISUSE_MODEL, "%s", text);
}

const struct device_client access_client = {
	.access = access_by_windows,
	.fault = access_fault,
	.interrupt = irq_raise,
	.misuse = access_misuse,
};
