/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cable whose other end is a program: which descriptors are refused, and the transfer of single
 * messages.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/fail.h"
#include <dmamap/wire.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 2000u

static struct dmamap_wire w;
static int peer = -1;

static const char *fd_text(int fd)
{
	static char text[32];

	snprintf(text, sizeof(text), "fd:%d", fd);
	return text;
}

static void pair_open(int type)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(dmamap_wire_open(&w, fd_text(fd[1]), "test"), 0);
	close(fd[1]); /* the wire has its own descriptor */
	peer = fd[0];
}

static int pair_close(void **state)
{
	const struct fail_rule *none = NULL;

	fail_set(FAIL_MEMORY, none);
	dmamap_wire_close(&w);
	if (peer >= 0)
		close(peer);
	peer = -1;
	return 0;
}

static void refused(const char *value, int err, const char *word)
{
	struct dmamap_wire old = {.fd = 77}, now = old;

	if (dmamap_wire_open(&now, value, "test") != -err || !strstr(error_text(), word) ||
	    !strstr(error_text(), value) || !strstr(error_text(), "test"))
		fail_msg("%s: \"%s\", not %d with \"%s\"", value, error_text(), err, word);
	assert_int_equal(now.fd, old.fd);
}

static void test_wire_values(void **state)
{
	assert_true(dmamap_wire_is_fd("fd:7"));
	assert_true(dmamap_wire_is_fd("fd:"));
	assert_false(dmamap_wire_is_fd("fd"));
	assert_false(dmamap_wire_is_fd("pair:fd:7"));
	refused("fd:", EINVAL, "number");
	refused("fd:x", EINVAL, "number");
	refused("fd:-1", EINVAL, "number");
	refused("fd:+1", EINVAL, "number");
	refused("fd: 1", EINVAL, "number");
	refused("fd:1x", EINVAL, "number");
	refused("fd:2147483648", EINVAL, "number");
	refused("fd:99999999999999999999", EINVAL, "number");
	refused("fd:2147483647", EBADF, "Bad file descriptor");
}

static void refused_socket(int domain, int type, int err, const char *word)
{
	int fd = socket(domain, type, 0);

	assert_true(fd >= 0);
	refused(fd_text(fd), err, word);
	close(fd);
}

static void test_wire_other_descriptors(void **state)
{
	int fd[2];

	fd[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(fd[0] >= 0);
	refused(fd_text(fd[0]), ENOTSOCK, "Socket operation on non-socket");
	close(fd[0]);
	refused_socket(AF_INET, SOCK_DGRAM, EPROTOTYPE, "socketpair");
	refused_socket(AF_UNIX, SOCK_STREAM, EPROTOTYPE, "socketpair");
	refused_socket(AF_UNIX, SOCK_DGRAM, ENOTCONN, "not connected");
	refused_socket(AF_UNIX, SOCK_SEQPACKET, ENOTCONN, "not connected");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	refused(fd_text(fd[0]), EPROTOTYPE, "another kind");
	close(fd[0]);
	close(fd[1]);
}

static void test_wire_no_descriptor_left(void **state)
{
	const struct fail_rule rule = {.nth = 1};
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	fail_set(FAIL_MEMORY, &rule);
	assert_int_equal(dmamap_wire_open(&w, fd_text(fd[0]), "test"), -EMFILE);
	assert_int_equal(w.fd, -1);
	fail_set(FAIL_MEMORY, NULL);
	assert_int_equal(dmamap_wire_open(&w, fd_text(fd[0]), "test"), 0);
	assert_true(w.fd != fd[0] && fcntl(w.fd, F_GETFD) & FD_CLOEXEC);
	close(fd[0]);
	close(fd[1]);
}

static void messages(int type)
{
	static u8 in[MOST + 100], out[MOST + 100];
	u32 len = 7;

	pair_open(type);
	assert_int_equal(dmamap_wire_receive(&w, in, MOST, &len), DMAMAP_WIRE_WAIT);
	assert_int_equal(len, 7);
	for (u32 i = 0; i < sizeof(out); i++)
		out[i] = (u8)(i * 7);
	assert_int_equal(send(peer, out, MOST, 0), MOST);
	assert_int_equal(dmamap_wire_receive(&w, in, MOST, &len), DMAMAP_WIRE_DONE);
	assert_int_equal(len, MOST);
	assert_memory_equal(in, out, MOST);
	/* messages that are no frames are dropped, and the following ones arrive */
	memset(in, 0, sizeof(in));
	assert_int_equal(send(peer, out, MOST + 1, 0), MOST + 1);
	assert_int_equal(send(peer, out, DMAMAP_WIRE_FRAME_MIN - 1, 0), DMAMAP_WIRE_FRAME_MIN - 1);
	assert_int_equal(send(peer, out, 0, 0), 0);
	assert_int_equal(send(peer, out + 1, DMAMAP_WIRE_FRAME_MIN, 0), DMAMAP_WIRE_FRAME_MIN);
	assert_int_equal(dmamap_wire_receive(&w, in, MOST, &len), DMAMAP_WIRE_DONE);
	assert_int_equal(len, DMAMAP_WIRE_FRAME_MIN);
	assert_memory_equal(in, out + 1, DMAMAP_WIRE_FRAME_MIN);
	assert_int_equal(in[MOST], 0);
	assert_int_equal(w.dropped, 3);
	assert_int_equal(dmamap_wire_send(&w, out, 60), DMAMAP_WIRE_DONE);
	assert_int_equal(recv(peer, in, sizeof(in), 0), 60);
	assert_memory_equal(in, out, 60);
	pair_close(NULL);
}

static void test_wire_messages(void **state)
{
	messages(SOCK_SEQPACKET);
	messages(SOCK_DGRAM);
}

/*
 * A peer that sends only invalid messages does not block the card: a bounded number is examined at
 * once.
 */
static void test_wire_rubbish(void **state)
{
	u8 buf[64] = {0};
	u32 len, n = 0;

	pair_open(SOCK_SEQPACKET);
	while (send(peer, buf, 3, MSG_DONTWAIT) == 3)
		n++;
	assert_true(n > 100);
	assert_int_equal(dmamap_wire_receive(&w, buf, sizeof(buf), &len), DMAMAP_WIRE_WAIT);
	assert_in_range(w.dropped, 1, 99);
}

/* A full socket: the frame waits and is sent later; a frame that it can never accept is dropped. */
static void test_wire_full(void **state)
{
	static u8 large[4 << 20];
	u8 buf[64] = {0};
	u64 sent = 0, seen = 0;
	enum dmamap_wire_result r;

	pair_open(SOCK_DGRAM);
	while ((r = dmamap_wire_send(&w, buf, sizeof(buf))) == DMAMAP_WIRE_DONE)
		sent++;
	assert_int_equal(r, DMAMAP_WIRE_WAIT);
	while (recv(peer, buf, sizeof(buf), MSG_DONTWAIT) == sizeof(buf))
		seen++;
	assert_true(sent > 0 && sent == seen);
	assert_int_equal(dmamap_wire_send(&w, buf, sizeof(buf)), DMAMAP_WIRE_DONE);
	assert_int_equal(dmamap_wire_send(&w, large, sizeof(large)), DMAMAP_WIRE_DONE);
	assert_int_equal(w.dropped, 1);
}

static void test_wire_peer_gone(void **state)
{
	u8 buf[64] = {0};
	u32 len = 0;

	/* what was sent before the end comes first */
	pair_open(SOCK_SEQPACKET);
	assert_int_equal(send(peer, buf, sizeof(buf), 0), sizeof(buf));
	close(peer);
	peer = -1;
	assert_int_equal(dmamap_wire_receive(&w, buf, sizeof(buf), &len), DMAMAP_WIRE_DONE);
	assert_int_equal(len, sizeof(buf));
	assert_int_equal(dmamap_wire_receive(&w, buf, sizeof(buf), &len), DMAMAP_WIRE_GONE);
	assert_int_equal(dmamap_wire_send(&w, buf, sizeof(buf)), DMAMAP_WIRE_GONE);
	pair_close(NULL);
	/* a datagram socket has no end of file: the end is detected when something is sent */
	pair_open(SOCK_DGRAM);
	close(peer);
	peer = -1;
	assert_int_equal(dmamap_wire_send(&w, buf, sizeof(buf)), DMAMAP_WIRE_GONE);
}

#define wire_test(f) cmocka_unit_test_teardown(f, pair_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		wire_test(test_wire_values),
		wire_test(test_wire_other_descriptors),
		wire_test(test_wire_no_descriptor_left),
		wire_test(test_wire_messages),
		wire_test(test_wire_rubbish),
		wire_test(test_wire_full),
		wire_test(test_wire_peer_gone),
	};

	w.fd = -1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
