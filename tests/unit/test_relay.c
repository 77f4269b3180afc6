/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay between QEMU's stream of frames and a program's messages. The test plays the part of
 * QEMU.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/fail.h"
#include "qemu/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct qemu q;
static int qemu_end, program_end;

static int relay_open(void **state)
{
	int stream[2], pair[2];
	char value[32];

	memset(&q, 0, sizeof(q));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	snprintf(value, sizeof(value), "fd:%d", pair[1]);
	assert_int_equal(dmamap_wire_open(&q.wire, value, "test"), 0);
	close(pair[1]);
	assert_int_equal(relay_start(&q, stream[1]), 0);
	qemu_end = stream[0];
	program_end = pair[0];
	return 0;
}

static int relay_close(void **state)
{
	relay_stop(&q);
	relay_stop(&q);
	dmamap_wire_close(&q.wire);
	close(qemu_end);
	if (program_end >= 0)
		close(program_end);
	return 0;
}

static void qemu_sends(u32 said, const u8 *frame, u32 len)
{
	u32 be = htonl(said);

	assert_int_equal(send(qemu_end, &be, 4, 0), 4);
	assert_int_equal(send(qemu_end, frame, len, 0), len);
}

static void qemu_receives(u8 *frame, u32 len)
{
	u32 be;

	assert_int_equal(recv(qemu_end, &be, 4, MSG_WAITALL), 4);
	assert_int_equal(ntohl(be), len);
	assert_int_equal(recv(qemu_end, frame, len, MSG_WAITALL), len);
}

static void make(u8 *frame, u32 len, u32 n)
{
	for (u32 i = 0; i < len; i++)
		frame[i] = (u8)(n * 31 + i * 7);
}

static void test_relay_lengths(void **state)
{
	static const u32 lengths[] = {14, 15, 60, 1514, 9018, 65535, 65536};
	static u8 out[65536], in[65536];

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		u32 len = lengths[i];

		make(out, len, (u32)i);
		assert_int_equal(send(program_end, out, len, 0), len);
		qemu_receives(in, len);
		assert_memory_equal(in, out, len);
		make(out, len, (u32)i + 100);
		qemu_sends(len, out, len);
		assert_int_equal(recv(program_end, in, sizeof(in), 0), len);
		assert_memory_equal(in, out, len);
	}
}

/* A stream has no boundaries: a frame may arrive in pieces, and several at once. */
static void test_relay_pieces(void **state)
{
	u8 bytes[3 * 64], in[128];
	u32 be = htonl(60);

	for (u32 n = 0; n < 3; n++) {
		memcpy(bytes + n * 64, &be, 4);
		make(bytes + n * 64 + 4, 60, n);
	}
	for (size_t i = 0; i < 70; i++) {
		assert_int_equal(send(qemu_end, bytes + i, 1, 0), 1);
		usleep(100);
	}
	assert_int_equal(send(qemu_end, bytes + 70, sizeof(bytes) - 70, 0), sizeof(bytes) - 70);
	for (u32 n = 0; n < 3; n++) {
		assert_int_equal(recv(program_end, in, sizeof(in), 0), 60);
		assert_memory_equal(in, bytes + n * 64 + 4, 60);
	}
}

/* QEMU sends more than the program reads: nothing is lost, and QEMU waits. */
static void slow_program(u32 len)
{
	static u8 frame[65536], in[65536];
	struct pollfd p = {.fd = qemu_end, .events = POLLOUT};
	u32 sent = 0;

	for (; sent < 100000 && poll(&p, 1, 100) == 1; sent++) {
		make(frame, len, sent);
		qemu_sends(len, frame, len);
	}
	assert_in_range(sent, 3, 99999);
	for (u32 n = 0; n < sent; n++) {
		assert_int_equal(recv(program_end, in, sizeof(in), 0), len);
		make(frame, len, n);
		assert_memory_equal(in, frame, len);
	}
}

/* The other direction, and the program ends before QEMU has read anything. */
static void slow_qemu(u32 len)
{
	static u8 frame[65536], in[65536];
	struct pollfd p = {.fd = program_end, .events = POLLOUT};
	u32 sent = 0;

	for (; sent < 100000 && poll(&p, 1, 100) == 1; sent++) {
		make(frame, len, sent);
		assert_int_equal(send(program_end, frame, len, 0), len);
	}
	assert_in_range(sent, 3, 99999);
	close(program_end);
	program_end = -1;
	for (u32 n = 0; n < sent; n++) {
		qemu_receives(in, len);
		make(frame, len, n);
		assert_memory_equal(in, frame, len);
	}
}

static void test_relay_slow_program(void **state)
{
	slow_program(1000);
	slow_program(60000);
}

static void test_relay_slow_qemu(void **state)
{
	slow_qemu(1000);
	relay_close(NULL);
	relay_open(NULL);
	slow_qemu(60000);
}

/* A length that no frame can have ends the relay, and nothing else. */
static void test_relay_bad_lengths(void **state)
{
	static const u32 lengths[] = {0, 13, 65537, 1u << 31, UINT32_MAX - 3, UINT32_MAX};
	static u8 frame[65537];

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct pollfd p;

		if (i)
			relay_open(NULL);
		p = (struct pollfd){.fd = program_end, .events = POLLIN};
		qemu_sends(lengths[i], frame,
			   lengths[i] < sizeof(frame) ? lengths[i] : sizeof(frame));
		qemu_sends(64, frame, 64);
		assert_int_equal(poll(&p, 1, 20), 0);
		if (i + 1 < ARRAY_SIZE(lengths))
			relay_close(NULL);
	}
}

/* The program ends while the card sends: the card continues. */
static void test_relay_program_ends(void **state)
{
	u8 frame[1000] = {0};
	struct pollfd p = {.fd = qemu_end, .events = POLLOUT};

	while (poll(&p, 1, 100) == 1)
		qemu_sends(sizeof(frame), frame, sizeof(frame));
	close(program_end);
	program_end = -1;
	for (u32 n = 0; n < 1000; n++)
		qemu_sends(sizeof(frame), frame, sizeof(frame));
}

static void test_relay_qemu_ends(void **state)
{
	assert_int_equal(shutdown(qemu_end, SHUT_RDWR), 0);
}

static void test_relay_no_memory(void **state)
{
	const struct fail_rule rule = {.nth = 1};
	struct qemu other = {.wire = {.fd = -1}};

	fail_set(FAIL_MEMORY, &rule);
	assert_int_equal(relay_start(&other, -1), -ENOMEM);
	fail_set(FAIL_MEMORY, &(const struct fail_rule){.nth = 2});
	assert_int_equal(relay_start(&other, -1), -EAGAIN);
	assert_non_null(strstr(error_text(), "thread"));
	fail_set(FAIL_MEMORY, NULL);
	assert_null(other.relay);
}

#define relay_test(f) cmocka_unit_test_setup_teardown(f, relay_open, relay_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		relay_test(test_relay_lengths),	     relay_test(test_relay_pieces),
		relay_test(test_relay_slow_program), relay_test(test_relay_slow_qemu),
		relay_test(test_relay_bad_lengths),  relay_test(test_relay_program_ends),
		relay_test(test_relay_qemu_ends),    relay_test(test_relay_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
