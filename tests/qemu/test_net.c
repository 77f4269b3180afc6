/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network card of QEMU with packets from a file and into a file. The card is e1000e with legacy
 * descriptors as in the 82574L datasheet.
 */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#define RCTL  0x100
#define TCTL  0x400
#define RDBAL 0x2800
#define RDLEN 0x2808
#define RDT   0x2818
#define TDBAL 0x3800
#define TDLEN 0x3808
#define TDT   0x3818
#define SLOTS 8
#define BUF   2048

struct descriptor {
	u64 addr;
	u16 len, csum;
	u8 status, errors;
	u16 special;
};

struct file_header {
	u32 magic;
	u16 major, minor;
	u32 zone, accuracy, most, link;
};

struct packet_header {
	u32 seconds, micro, kept, len;
};

static const u32 lengths[] = {60, 100, 1500};

static u8 byte_of(u32 packet, u32 i)
{
	/* a broadcast with an experimental EtherType */
	static const u8 head[14] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};

	return i < sizeof(head) ? head[i] : (u8)(packet * 31 + i);
}

static void write_file(const char *path)
{
	const struct file_header head = {0xa1b2c3d4, 2, 4, 0, 0, 65535, 1};
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fwrite(&head, sizeof(head), 1, f);
	for (u32 p = 0; p < ARRAY_SIZE(lengths); p++) {
		struct packet_header h = {0, p, lengths[p], lengths[p]};

		fwrite(&h, sizeof(h), 1, f);
		for (u32 i = 0; i < lengths[p]; i++)
			fputc(byte_of(p, i), f);
	}
	assert_int_equal(fclose(f), 0);
}

struct card {
	struct device *dev;
	struct descriptor *ring; /* the receive ring, then the transmit ring */
	u8 *buf;
	dma_addr_t ring_addr, buf_addr;
};

static void card_start(struct card *c, const char *spec)
{
	c->dev = rig_open(spec);
	c->ring = dma_alloc_coherent(c->dev, 4096, &c->ring_addr, GFP_KERNEL);
	c->buf = dma_alloc_coherent(c->dev, SLOTS * BUF, &c->buf_addr, GFP_KERNEL);
	assert_true(c->ring && c->buf);
	for (u32 i = 0; i < SLOTS; i++)
		c->ring[i].addr = c->buf_addr + i * BUF;
	dmamap_writeq(c->dev, 0, RDBAL, c->ring_addr);
	dmamap_writel(c->dev, 0, RDLEN, SLOTS * 16);
	dmamap_writel(c->dev, 0, RDT, SLOTS - 1);
	dmamap_writel(c->dev, 0, RCTL,
		      2 | 8 | 16 | 1 << 15 | 1 << 26); /* enabled, promiscuous, CRC stripped */
	dmamap_writeq(c->dev, 0, TDBAL, c->ring_addr + SLOTS * 16);
	dmamap_writel(c->dev, 0, TDLEN, SLOTS * 16);
	dmamap_writel(c->dev, 0, TCTL, 2);
}

static void card_stop(struct card *c)
{
	assert_int_equal(rig_stats(c->dev).faults, 0);
	dma_free_coherent(c->dev, SLOTS * BUF, c->buf, c->buf_addr);
	dma_free_coherent(c->dev, 4096, c->ring, c->ring_addr);
	dmamap_close(c->dev);
}

static void wait_done(struct card *c, u32 slot)
{
	for (int i = 0; i < 5000 && !(__atomic_load_n(&c->ring[slot].status, __ATOMIC_ACQUIRE) & 1);
	     i++) {
		usleep(1000);
		dmamap_readl(c->dev, 0, 8);
	}
	assert_true(c->ring[slot].status & 1);
}

static void check_packet(const u8 *p, u32 packet)
{
	for (u32 i = 0; i < lengths[packet]; i++)
		assert_int_equal(p[i], byte_of(packet, i));
}

static void test_packets_from_a_file(void **state)
{
	const char *in = rig_path("in.pcap");
	struct card c;
	char spec[256];

	write_file(in);
	snprintf(spec, sizeof(spec), "qemu:e1000e,pcap-in=%s", in);
	card_start(&c, spec);
	for (u32 p = 0; p < ARRAY_SIZE(lengths); p++) {
		wait_done(&c, p);
		assert_int_equal(c.ring[p].len, lengths[p]);
		check_packet(c.buf + p * BUF, p);
	}
	card_stop(&c);
}

static void test_packets_into_a_file(void **state)
{
	const char *path = rig_path("out,1.pcap");
	struct file_header head;
	struct packet_header h;
	struct card c;
	char spec[256];
	u8 packet[2048];
	FILE *f;

	snprintf(spec, sizeof(spec), "qemu:e1000e,policy=lazy,pcap-out=%.*s,,1.pcap",
		 (int)strcspn(path, ","), path);
	card_start(&c, spec);
	for (u32 p = 0; p < ARRAY_SIZE(lengths); p++) {
		for (u32 i = 0; i < lengths[p]; i++)
			c.buf[p * BUF + i] = byte_of(p, i);
		c.ring[SLOTS + p] =
			(struct descriptor){.addr = c.buf_addr + p * BUF,
					    .len = (u16)lengths[p],
					    .csum = 0x0b00}; /* end of packet, CRC, report */
	}
	dmamap_writel(c.dev, 0, TDT, ARRAY_SIZE(lengths));
	wait_done(&c, SLOTS + ARRAY_SIZE(lengths) - 1);
	card_stop(&c);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fread(&head, sizeof(head), 1, f), 1);
	assert_int_equal(head.magic, 0xa1b2c3d4);
	for (u32 p = 0; p < ARRAY_SIZE(lengths); p++) {
		assert_int_equal(fread(&h, sizeof(h), 1, f), 1);
		assert_int_equal(h.kept, lengths[p]);
		assert_int_equal(fread(packet, h.kept, 1, f), 1);
		check_packet(packet, p);
	}
	assert_int_equal(fgetc(f), EOF);
	fclose(f);
}

static void test_files_that_are_wrong(void **state)
{
	const struct file_header wifi = {0xa1b2c3d4, 2, 4, 0, 0, 65535, 105};
	const char *path = rig_path("bad.pcap");
	char spec[256];

	rig_refused("qemu:e1000e,pcap-in=/no/such/file", ENOENT, "/no/such/file", "No such file");
	rig_refused("qemu:e1000e,pcap-out=/no/such/file", ENOENT, "/no/such/file", "No such file");
	snprintf(spec, sizeof(spec), "qemu:e1000e,pcap-in=%s", path);
	rig_file(path, "pcap", 4);
	rig_refused(spec, EINVAL, path, "too short");
	rig_file(path, "This is not a pcap file, is it? No.", 32);
	rig_refused(spec, EINVAL, path, "not a pcap file");
	rig_file(path, &wifi, sizeof(wifi));
	rig_refused(spec, EINVAL, path, "not Ethernet");
	rig_refused("qemu:edu,pcap-out=/tmp/x", EINVAL, "netdev", "not found");
	snprintf(spec, sizeof(spec), "qemu:e1000e,pcap-in=%s,pcap-out=%s", path, path);
	rig_refused(spec, EINVAL, path, "one file");
}

#define WIRE_FRAMES 150u

static int wire_peer;

static void wire_start(struct card *c, int type, const char *more)
{
	char spec[160];
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd), 0);
	snprintf(spec, sizeof(spec), "qemu:e1000e,wire=fd:%d%s", fd[1], more);
	wire_peer = fd[0];
	card_start(c, spec);
	close(fd[1]);
	dmamap_readl(c->dev, 0, 8); /* an uninitialised card loses packets */
}

static u32 wire_length(u32 n)
{
	return 60 + n * 37 % 1455;
}

static u8 wire_byte(u32 n, u32 i)
{
	return i < 14 ? byte_of(0, i) : (u8)(n * 131 + i * 7);
}

static void wire_make(u8 *frame, u32 n)
{
	for (u32 i = 0; i < wire_length(n); i++)
		frame[i] = wire_byte(n, i);
}

/* As fast as the socket accepts them, which is faster than the card has buffers. */
static void *wire_send_all(void *arg)
{
	static u8 frame[2048];

	for (u32 n = 0; n < WIRE_FRAMES; n++) {
		wire_make(frame, n);
		if (send(wire_peer, frame, wire_length(n), 0) != (ssize_t)wire_length(n))
			return arg;
	}
	return NULL;
}

static void wire_receive_burst(int type)
{
	void *failed = NULL;
	pthread_t thread;
	struct card c;

	wire_start(&c, type, "");
	assert_int_equal(pthread_create(&thread, NULL, wire_send_all, &c), 0);
	for (u32 n = 0; n < WIRE_FRAMES; n++) {
		u32 slot = n % SLOTS;

		wait_done(&c, slot);
		assert_int_equal(c.ring[slot].len, wire_length(n));
		for (u32 i = 0; i < wire_length(n); i++)
			assert_int_equal(c.buf[slot * BUF + i], wire_byte(n, i));
		c.ring[slot].status = 0;
		dmamap_writel(c.dev, 0, RDT, slot);
	}
	pthread_join(thread, &failed);
	assert_null(failed);
	card_stop(&c);
	close(wire_peer);
}

static void test_wire_receives(void **state)
{
	wire_receive_burst(SOCK_SEQPACKET);
	wire_receive_burst(SOCK_DGRAM);
}

static void wire_put(struct card *c, u32 n)
{
	u32 slot = n % SLOTS;

	wire_make(c->buf + slot * BUF, n);
	c->ring[SLOTS + slot] = (struct descriptor){
		.addr = c->buf_addr + slot * BUF, .len = (u16)wire_length(n), .csum = 0x0b00};
	dmamap_writel(c->dev, 0, TDT, (slot + 1) % SLOTS);
}

static void wire_take(u32 n)
{
	static u8 frame[2048], want[2048];

	assert_int_equal(recv(wire_peer, frame, sizeof(frame), 0), wire_length(n));
	wire_make(want, n);
	assert_memory_equal(frame, want, wire_length(n));
}

/* More than the socket can contain before anything is read. */
static void wire_send_burst(int type)
{
	struct card c;

	wire_start(&c, type, ",policy=lazy");
	for (u32 n = 0; n < WIRE_FRAMES; n++) {
		wire_put(&c, n);
		wait_done(&c, SLOTS + n % SLOTS);
	}
	for (u32 n = 0; n < WIRE_FRAMES; n++)
		wire_take(n);
	card_stop(&c);
	close(wire_peer);
}

static void test_wire_sends(void **state)
{
	wire_send_burst(SOCK_SEQPACKET);
	wire_send_burst(SOCK_DGRAM);
}

/*
 * A message that is no frame is dropped; after the program has closed its end, the card still
 * sends.
 */
static void test_wire_bad_frames_and_an_end(void **state)
{
	static u8 bytes[65537];
	struct card c;

	wire_start(&c, SOCK_SEQPACKET, "");
	assert_int_equal(send(wire_peer, bytes, 13, 0), 13);
	assert_int_equal(send(wire_peer, bytes, sizeof(bytes), 0), sizeof(bytes));
	wire_make(bytes, 3);
	assert_int_equal(send(wire_peer, bytes, wire_length(3), 0), wire_length(3));
	wait_done(&c, 0);
	assert_int_equal(c.ring[0].len, wire_length(3));
	close(wire_peer);
	for (u32 n = 0; n < 2 * SLOTS; n++) {
		wire_put(&c, n);
		wait_done(&c, SLOTS + n % SLOTS);
	}
	card_stop(&c);
}

static void test_wire_refused(void **state)
{
	char spec[128];
	int fd[2];

	rig_refused("qemu:e1000e,wire=pair:a", EINVAL, "wire=pair:a", "fd:N");
	rig_refused("qemu:e1000e,wire=fd:", EINVAL, "wire=fd:", "number");
	rig_refused("qemu:e1000e,wire=fd:99999", EBADF, "wire=fd:99999", "Bad file descriptor");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	snprintf(spec, sizeof(spec), "qemu:e1000e,wire=fd:%d", fd[0]);
	rig_refused(spec, EPROTOTYPE, "another kind", "SOCK_SEQPACKET");
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	snprintf(spec, sizeof(spec), "qemu:e1000e,pcap-in=/dev/null,wire=fd:%d", fd[0]);
	rig_refused(spec, EINVAL, "pcap-in", "contradict");
	snprintf(spec, sizeof(spec), "qemu:edu,wire=fd:%d", fd[0]);
	rig_refused(spec, EINVAL, "netdev", "not found");
	close(fd[0]);
	close(fd[1]);
}

/* Whatever fails, nothing is left. */
static void test_wire_failing_everywhere(void **state)
{
	unsigned int fds, threads = rig_threads();
	struct device *dev = NULL;
	char spec[64], plan[64];
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	snprintf(spec, sizeof(spec), "qemu:e1000e,wire=fd:%d", fd[1]);
	fds = rig_descriptors();
	for (int nth = 1; !dev && nth < 100; nth++) {
		snprintf(plan, sizeof(plan), "memory:nth=%d", nth);
		assert_int_equal(dmamap_fail(plan), 0);
		dev = dmamap_open(spec);
		dmamap_fail(NULL);
		if (!dev)
			assert_int_equal(rig_descriptors(), fds);
	}
	assert_non_null(dev);
	dmamap_close(dev);
	assert_int_equal(rig_descriptors(), fds);
	assert_int_equal(rig_threads(), threads);
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_packets_from_a_file),  rig_test(test_packets_into_a_file),
		rig_test(test_files_that_are_wrong), rig_test(test_wire_receives),
		rig_test(test_wire_sends),	     rig_test(test_wire_bad_frames_and_an_end),
		rig_test(test_wire_refused),	     rig_test(test_wire_failing_everywhere),
	};

	rig_need_qemu();
	return cmocka_run_group_tests(tests, NULL, rig_cleanup);
}
