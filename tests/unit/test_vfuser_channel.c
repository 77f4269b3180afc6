/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages of vfio-user over a socket: boundaries, descriptors, wrong and incomplete messages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/fail.h"
#include "vfuser/channel.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROOM 300000u

static struct vfuser_channel us, peer;
static struct vfuser_message m;
static int open_before;

static int fds_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int pair_open(void **state)
{
	int fd[2];

	open_before = fds_open();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(vfuser_channel_init(&us, fd[0]), 0);
	assert_int_equal(vfuser_channel_init(&peer, fd[1]), 0);
	m = (struct vfuser_message){.data = malloc(ROOM), .room = ROOM};
	return 0;
}

static int pair_close(void **state)
{
	vfuser_message_close(&m);
	vfuser_channel_fini(&us);
	vfuser_channel_fini(&peer);
	free(m.data);
	assert_int_equal(fds_open(), open_before);
	return 0;
}

static void send_one(u16 id, const char *text, const int *fds, u32 n_fds)
{
	struct vfuser_header head = {.id = id, .command = VFUSER_REGION_READ};
	struct iovec part = {(void *)(uintptr_t)text, strlen(text)};

	assert_int_equal(vfuser_send(&peer, head, &part, 1, fds, n_fds, 1000), 0);
}

static void expect_one(u16 id, const char *text, u32 n_fds)
{
	int err = vfuser_receive(&us, &m, 1000);

	if (err)
		fail_msg("message %u: %d: %s", id, err, error_text());
	assert_int_equal(m.head.id, id);
	assert_int_equal(m.size, strlen(text));
	assert_int_equal(m.head.size, 16 + m.size);
	assert_memory_equal(m.data, text, m.size);
	assert_int_equal(m.n_fds, n_fds);
	for (u32 i = 0; i < n_fds; i++)
		assert_int_equal(fcntl(m.fds[i], F_GETFD), FD_CLOEXEC);
	vfuser_message_close(&m);
}

static void raw(const void *p, size_t n)
{
	assert_int_equal(send(peer.fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* The descriptors of a message that was read ahead with others belong to it. */
static void test_channel_descriptors(void **state)
{
	int fds[VFUSER_FDS_MAX];

	for (u32 i = 0; i < VFUSER_FDS_MAX; i++)
		fds[i] = i & 1 ? 1 : 0;
	send_one(1, "", NULL, 0);
	send_one(2, "two", NULL, 0);
	send_one(3, "three", fds, 2);
	send_one(4, "", fds, VFUSER_FDS_MAX);
	send_one(5, "five", NULL, 0);
	expect_one(1, "", 0);
	expect_one(2, "two", 0);
	expect_one(3, "three", 2);
	expect_one(4, "", VFUSER_FDS_MAX);
	expect_one(5, "five", 0);
	assert_int_equal(vfuser_receive(&us, &m, 0), -EAGAIN);
	assert_int_equal(vfuser_receive(&us, &m, 1), -EAGAIN);
	send_one(6, "six", fds, 1);
	expect_one(6, "six", 1);
}

/* A message with descriptors that was received and never returned leaves none open. */
static void test_channel_descriptors_unread(void **state)
{
	int fds[3] = {0, 1, 0};

	send_one(1, "one", NULL, 0);
	send_one(2, "two", fds, 3);
	expect_one(1, "one", 0);
}

static void too_many(u32 accepted, u32 n)
{
	u8 bytes[16] = {0};
	struct iovec iov = {bytes, sizeof(bytes)};
	union {
		struct cmsghdr h;
		u8 bytes[CMSG_SPACE(250 * sizeof(int))];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int))};

	us.fds_accepted = accepted;
	control.h = (struct cmsghdr){.cmsg_len = CMSG_LEN(n * sizeof(int)),
				     .cmsg_level = SOL_SOCKET,
				     .cmsg_type = SCM_RIGHTS};
	assert_int_equal(sendmsg(peer.fd, &msg, 0), 16);
	assert_int_equal(vfuser_receive(&us, &m, 1000), -EPROTO);
	assert_non_null(strstr(error_text(), "file descriptors"));
	assert_int_equal(m.n_fds, 0);
	assert_int_equal(fds_open(), open_before + 2);
	assert_int_equal(vfuser_receive(&us, &m, 1000), -EPROTO);
}

static void test_channel_descriptors_over_limit(void **state)
{
	too_many(2, 3);
}

static void test_channel_descriptors_over_buffer(void **state)
{
	too_many(VFUSER_FDS_MAX, 250);
}

struct pieces {
	struct vfuser_header head;
	char text[4];
};

static const struct pieces whole = {{.id = 9, .command = 1, .size = 20}, "abcd"};

/* Sends the message from byte `cut` on, after the receiver has probably read what precedes it. */
static void *send_rest(void *cut)
{
	size_t at = (size_t)(uintptr_t)cut;

	usleep(2000);
	raw((const u8 *)&whole + at, sizeof(whole) - at);
	return NULL;
}

/* A message in two pieces, cut at each byte. */
static void test_channel_pieces(void **state)
{
	for (size_t cut = 1; cut < sizeof(whole); cut++) {
		pthread_t id;

		raw(&whole, cut);
		assert_int_equal(pthread_create(&id, NULL, send_rest, (void *)(uintptr_t)cut), 0);
		expect_one(9, "abcd", 0);
		pthread_join(id, NULL);
	}
}

/* The descriptor comes with the second piece of a header. */
static void test_channel_pieces_descriptor(void **state)
{
	struct iovec iov = {(u8 *)(uintptr_t)&whole + 3, sizeof(whole) - 3};
	union {
		struct cmsghdr h;
		u8 bytes[CMSG_SPACE(sizeof(int))];
	} control = {.h = {.cmsg_len = CMSG_LEN(sizeof(int)),
			   .cmsg_level = SOL_SOCKET,
			   .cmsg_type = SCM_RIGHTS}};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};

	raw(&whole, 3);
	assert_int_equal(sendmsg(peer.fd, &msg, 0), (ssize_t)iov.iov_len);
	expect_one(9, "abcd", 1);
}

static void *send_large(void *text)
{
	send_one(7, text, (int[]){0}, 1);
	send_one(8, "", NULL, 0);
	return NULL;
}

/* A payload that exceeds the socket's buffer. */
static void test_channel_large(void **state)
{
	char *text = malloc(ROOM + 1);
	pthread_t id;

	for (u32 i = 0; i < ROOM; i++)
		text[i] = (char)('a' + i % 23);
	text[ROOM] = 0;
	assert_int_equal(pthread_create(&id, NULL, send_large, text), 0);
	expect_one(7, text, 1);
	expect_one(8, "", 0);
	pthread_join(id, NULL);
	free(text);
}

static void wrong_head(u32 size, int err)
{
	struct vfuser_header head = {.id = 1, .command = 9, .size = size};

	pair_open(NULL);
	raw(&head, sizeof(head));
	assert_int_equal(vfuser_receive(&us, &m, 1000), err);
	assert_int_equal(vfuser_receive(&us, &m, 1000), -EPROTO);
	pair_close(NULL);
}

static void test_channel_wrong_size(void **state)
{
	wrong_head(0, -EPROTO);
	wrong_head(15, -EPROTO);
	wrong_head(16 + ROOM + 1, -EMSGSIZE);
	wrong_head(UINT32_MAX, -EMSGSIZE);
}

static void test_channel_cut(void **state)
{
	struct vfuser_header head = {.id = 1, .command = 9, .size = 20};

	for (size_t cut = 0; cut < sizeof(head) + 4; cut++) {
		u8 text[20] = {0};

		pair_open(NULL);
		memcpy(text, &head, sizeof(head));
		if (cut)
			raw(text, cut);
		vfuser_channel_fini(&peer);
		assert_int_equal(vfuser_receive(&us, &m, 1000), cut ? -EPROTO : -ENOTCONN);
		pair_close(NULL);
	}
	pair_open(NULL);
	raw(&head, sizeof(head));
	us.complete_ms = 1;
	assert_int_equal(vfuser_receive(&us, &m, 1), -ETIMEDOUT);
	pair_close(NULL);
}

/* A peer that does not read, one that is gone, and a message that no peer may send. */
static void test_channel_send_fails(void **state)
{
	static u8 big[1 << 20];
	struct vfuser_header head = {.command = VFUSER_REGION_READ};
	struct iovec parts[4] = {{big, sizeof(big)}, {big, UINT32_MAX}, {0}, {0}};

	assert_int_equal(vfuser_send(&us, head, parts, 4, NULL, 0, 1), -EINVAL);
	assert_int_equal(vfuser_send(&us, head, NULL, 0, us.fds, VFUSER_FDS_MAX + 1, 1), -EINVAL);
	assert_int_equal(vfuser_send(&us, head, parts, 2, NULL, 0, 1), -EMSGSIZE);
	assert_int_equal(vfuser_send(&us, head, parts, 1, NULL, 0, 1), -ETIMEDOUT);
	vfuser_channel_fini(&peer);
	assert_int_equal(vfuser_send(&us, head, parts, 1, NULL, 0, 1), -EPIPE);
}

static void test_channel_reply(void **state)
{
	struct vfuser_header request = {.id = 5, .command = VFUSER_RESET, .flags = VFUSER_REQUEST};

	assert_int_equal(vfuser_reply(&peer, &request, 0, "ab", 2, 1000), 0);
	assert_int_equal(vfuser_reply(&peer, &request, EEXIST, "ab", 2, 1000), 0);
	expect_one(5, "ab", 0);
	assert_int_equal(m.head.flags, VFUSER_REPLY);
	expect_one(5, "", 0);
	assert_int_equal(m.head.flags, VFUSER_REPLY | VFUSER_ERROR);
	assert_int_equal(m.head.error, EEXIST);
}

static void test_channel_stop(void **state)
{
	vfuser_channel_stop(&us);
	assert_int_equal(vfuser_receive(&us, &m, 1000), -ENOTCONN);
}

static void test_channel_not_a_socket(void **state)
{
	static struct vfuser_channel c;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_int_equal(vfuser_channel_init(&c, fd), -ENOTSOCK);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void test_channel_address(void **state)
{
	const struct fail_rule now = {.nth = 1};
	struct sockaddr_un a;
	char path[200];

	memset(path, 'a', sizeof(path));
	path[sizeof(a.sun_path)] = 0;
	assert_int_equal(vfuser_address(path, &a), -ENAMETOOLONG);
	assert_int_equal(vfuser_connect(path), -ENAMETOOLONG);
	path[sizeof(a.sun_path) - 1] = 0;
	assert_int_equal(vfuser_address(path, &a), 0);
	assert_int_equal(vfuser_address("", &a), -EINVAL);
	assert_int_equal(vfuser_address(NULL, &a), -EINVAL);
	assert_int_equal(vfuser_connect("/no/such/socket"), -ENOENT);
	assert_int_equal(vfuser_connect("/dev/null"), -ECONNREFUSED);
	fail_set(FAIL_MEMORY, &now);
	assert_int_equal(vfuser_connect("/no/such/socket"), -EMFILE);
	fail_set(FAIL_MEMORY, NULL);
}

#define pair_test(f) cmocka_unit_test_setup_teardown(f, pair_open, pair_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_channel_descriptors),
		pair_test(test_channel_descriptors_unread),
		pair_test(test_channel_descriptors_over_limit),
		pair_test(test_channel_descriptors_over_buffer),
		pair_test(test_channel_pieces),
		pair_test(test_channel_pieces_descriptor),
		pair_test(test_channel_large),
		cmocka_unit_test(test_channel_wrong_size),
		cmocka_unit_test(test_channel_cut),
		pair_test(test_channel_send_fails),
		pair_test(test_channel_reply),
		pair_test(test_channel_stop),
		cmocka_unit_test(test_channel_not_a_socket),
		cmocka_unit_test(test_channel_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
