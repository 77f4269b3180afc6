/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pcap-in= and pcap-out=: capture files in the classic format (draft-ietf-opsawg-pcap). A file has
 * a header of 24 bytes; every packet has a header of 16 bytes (seconds, fraction, captured length,
 * original length), then its bytes. Both byte orders and both time units are read. The format is
 * simple enough to parse here, so the library does not depend on libpcap.
 *
 * The file is untrusted input. It is read through a window of WINDOW bytes, which holds the longest
 * record that the format's usual limit allows. A file that fits into the window is read once,
 * however often it is played. Every length is checked before it is used. A packet that was
 * truncated by the capture is treated as a frame with a wrong FCS. A record that exceeds the file
 * or RECORD_MAX ends the playback and counts as one receive error.
 */
#include "e1000e.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW	    (1u << 20)
#define OUT_BYTES   (256u << 10)
#define RECORD_MAX  262144u
#define FILE_HEADER 24u
#define HEADER	    16u
#define MAGIC_US    0xa1b2c3d4u
#define MAGIC_NS    0xa1b23c4du
#define MAGIC_NG    0x0a0d0d0au
#define ETHERNET    1u

static u32 e1000esim_pcap_in_u32(const struct e1000e_in *in, const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return in->swapped ? __builtin_bswap32(v) : v;
}

/* Fills the window with the file's content from `at` on. Returns false if nothing can be read. */
static bool e1000esim_pcap_fill(struct e1000e_in *in, u64 at)
{
	u32 want = (u32)util_min(WINDOW, in->end - at);
	ssize_t n;

	in->at = at;
	in->used = in->have = 0;
	while (in->have < want) {
		n = pread(in->fd, in->window + in->have, want - in->have, (off_t)(at + in->have));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break; /* the file was truncated, or the read failed */
		in->have += (u32)n;
	}
	return in->have != 0;
}

static int e1000esim_pcap_bad_file(const char *path, const char *why)
{
	return dmamap_model_error(EINVAL, "sim:e1000e cannot play pcap-in=%s: %s", path, why);
}

static int e1000esim_pcap_read_header(struct e1000e_in *in, const char *path)
{
	u32 magic;

	if (!e1000esim_pcap_fill(in, 0) || in->have < FILE_HEADER)
		return e1000esim_pcap_bad_file(path,
					       "it is shorter than the header of a capture file");
	memcpy(&magic, in->window, sizeof(magic));
	in->swapped = magic == __builtin_bswap32(MAGIC_US) || magic == __builtin_bswap32(MAGIC_NS);
	if (magic == MAGIC_NG)
		return e1000esim_pcap_bad_file(
			path, "it is a pcapng file; convert it to pcap: tcpdump -r FILE -w OTHER");
	if (!in->swapped && magic != MAGIC_US && magic != MAGIC_NS)
		return e1000esim_pcap_bad_file(
			path,
			"it is not a pcap file (its first four bytes are not a pcap magic number)");
	if ((e1000esim_pcap_in_u32(in, in->window + 20) & 0xffff) != ETHERNET)
		return e1000esim_pcap_bad_file(
			path, "its packets are not Ethernet frames (the link type must be 1)");
	in->used = FILE_HEADER;
	return 0;
}

static int e1000esim_pcap_open_file(const char *path, int flags, const char *key)
{
	struct stat st;
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0666), err;

	if (fd < 0)
		return dmamap_model_error(errno, "sim:e1000e cannot open %s=%s: %s", key, path,
					  strerror(errno));
	if (!fstat(fd, &st) && (S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && (flags & O_WRONLY))))
		return dmamap_model_fd_add(fd), fd;
	err = dmamap_model_error(EINVAL, "sim:e1000e cannot use %s=%s: it is not a regular file",
				 key, path);
	close(fd);
	return err;
}

int e1000e_in_open(struct e1000e_in *in, const char *path)
{
	off_t end;
	int err;

	in->fd = e1000esim_pcap_open_file(path, O_RDONLY, "pcap-in");
	if (in->fd < 0)
		return in->fd;
	end = lseek(in->fd, 0, SEEK_END);
	in->end = end < 0 ? 0 : (u64)end;
	in->window = dmamap_model_alloc(WINDOW);
	err = in->window ? e1000esim_pcap_read_header(in, path) : -ENOMEM;
	if (err)
		e1000e_in_close(in);
	return err;
}

void e1000e_in_close(struct e1000e_in *in)
{
	if (in->fd >= 0)
		dmamap_model_fd_close(in->fd);
	dmamap_model_free(in->window);
	*in = (struct e1000e_in){.fd = -1, .over = true};
}

/* Makes `need` bytes from `used` on available in the window, if the file has them. */
static bool e1000esim_pcap_need_bytes(struct e1000e_in *in, u32 need)
{
	if (in->have - in->used >= need)
		return true;
	if (in->at + in->have >= in->end || !e1000esim_pcap_fill(in, in->at + in->used))
		return false;
	return in->have >= need;
}

/* At the end of the file: starts the next repetition, or returns false if there is none. */
static bool e1000esim_pcap_again(struct e1000e_in *in)
{
	bool has_any = in->at + in->used > FILE_HEADER;

	if (in->loops == 1 || !has_any)
		return false;
	if (in->loops)
		in->loops--;
	if (in->at != 0)
		e1000esim_pcap_fill(in, 0);
	in->used = FILE_HEADER;
	return in->have > FILE_HEADER;
}

static bool e1000esim_pcap_cut(struct e1000esim *c)
{
	e1000e_count(c, ST_RXERRC, 1);
	dmamap_model_log(
		DMAMAP_MODEL_LOG_WARN,
		"sim:e1000e: pcap-in: the file is truncated or damaged at byte %llu; nothing after "
		"that is played",
		(unsigned long long)(c->in.at + c->in.used));
	c->in.over = true;
	return false;
}

/*
 * Returns whether the next packet is due. Due times are computed from the start of the playback, so
 * that rounding errors do not accumulate.
 */
static bool e1000esim_pcap_is_due(struct e1000esim *c)
{
	struct e1000e_in *in = &c->in;

	if (!in->rate)
		return true;
	if (!c->now_ns)
		c->now_ns = dmamap_model_clock();
	if (!in->started_ns)
		in->started_ns = c->now_ns;
	in->due_ns = in->started_ns + (u64)((unsigned __int128)in->sent * NS_PER_S / in->rate);
	return in->due_ns <= c->now_ns;
}

bool e1000e_in_peek(struct e1000esim *c, struct e1000e_frame *f)
{
	struct e1000e_in *in = &c->in;
	u32 kept, had;

	if (in->over || !e1000esim_pcap_is_due(c))
		return false;
	if (in->at + in->used >= in->end && !e1000esim_pcap_again(in)) {
		in->over = true;
		return false;
	}
	if (!e1000esim_pcap_need_bytes(in, HEADER))
		return e1000esim_pcap_cut(c);
	kept = e1000esim_pcap_in_u32(in, in->window + in->used + 8);
	had = e1000esim_pcap_in_u32(in, in->window + in->used + 12);
	if (kept > RECORD_MAX || !e1000esim_pcap_need_bytes(in, HEADER + kept))
		return e1000esim_pcap_cut(c);
	in->record = HEADER + kept;
	*f = (struct e1000e_frame){in->window + in->used + HEADER, kept, kept < had};
	return true;
}

void e1000e_in_take(struct e1000e_in *in)
{
	in->used += in->record;
	in->sent++;
}

static bool e1000esim_pcap_is_one_file(int a, int b)
{
	struct stat x, y;

	return b >= 0 && !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Opens the file and empties it, unless it is the file that is played. */
static int e1000esim_pcap_open_output(const char *path, int in)
{
	int fd = e1000esim_pcap_open_file(path, O_WRONLY | O_CREAT, "pcap-out"), err = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	if (e1000esim_pcap_is_one_file(fd, in))
		err = dmamap_model_error(
			EINVAL,
			"sim:e1000e cannot write to pcap-out=%s: it is the file of "
			"pcap-in, which would be overwritten; name another",
			path);
	else if (!fstat(fd, &st) && S_ISREG(st.st_mode) && ftruncate(fd, 0))
		err = dmamap_model_error(errno, "sim:e1000e cannot empty pcap-out=%s: %s", path,
					 strerror(errno));
	if (!err)
		return fd;
	close(fd);
	return err;
}

int e1000e_out_open(struct e1000e_out *out, const char *path, int in)
{
	static const u32 header[6] = {MAGIC_NS, 4u << 16 | 2, 0, 0, RECORD_MAX, ETHERNET};

	out->fd = e1000esim_pcap_open_output(path, in);
	if (out->fd < 0)
		return out->fd;
	out->buffer = dmamap_model_alloc(OUT_BYTES);
	if (!out->buffer) {
		dmamap_model_fd_close(out->fd);
		return -ENOMEM;
	}
	memcpy(out->buffer, header, sizeof(header));
	out->used = sizeof(header);
	e1000e_out_flush(out);
	if (!out->broken)
		return 0;
	dmamap_model_free(out->buffer);
	dmamap_model_fd_close(out->fd);
	*out = (struct e1000e_out){0};
	return dmamap_model_error(EIO, "sim:e1000e cannot write to pcap-out=%s", path);
}

void e1000e_out_close(struct e1000e_out *out)
{
	if (!out->buffer)
		return;
	e1000e_out_flush(out);
	dmamap_model_fd_close(out->fd);
	dmamap_model_free(out->buffer);
	*out = (struct e1000e_out){0};
}

/* Returns the place for the next frame of at most `len` bytes. NULL: an earlier write failed. */
u8 *e1000e_out_room(struct e1000e_out *out, u32 len)
{
	if (OUT_BYTES - out->used < HEADER + len)
		e1000e_out_flush(out);
	return out->broken ? NULL : out->buffer + out->used + HEADER;
}

void e1000e_out_add(struct e1000e_out *out, u32 len, u64 wall_ns)
{
	const u32 header[4] = {(u32)(wall_ns / NS_PER_S), (u32)(wall_ns % NS_PER_S), len, len};

	memcpy(out->buffer + out->used, header, sizeof(header));
	out->used += HEADER + len;
}

void e1000e_out_flush(struct e1000e_out *out)
{
	u32 done = 0;
	ssize_t n;

	while (done < out->used && !out->broken) {
		n = write(out->fd, out->buffer + done, out->used - done);
		if (n > 0) {
			done += (u32)n;
		} else if (n == 0 || errno != EINTR) {
			out->broken = true;
			dmamap_model_log(
				DMAMAP_MODEL_LOG_WARN,
				"sim:e1000e: pcap-out: cannot write (%s): the link is down",
				strerror(errno));
		}
	}
	out->used = 0;
}
