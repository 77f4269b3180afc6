/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network card's model with a cable to a program (wire=fd:N). No frame is lost in either
 * direction.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "e1000e.h"
#include "e1000e_rig.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES 3000u

static struct card card;
static int peer, own; /* the ends of the socket */

static void socket_open(int type, const char *more)
{
	const char *keys[3] = {NULL, more, NULL};
	char key[32];
	int fd[2], small = 4096;

	fake_reset();
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd), 0);
	/* full after some frames, so that both sides must wait */
	assert_int_equal(setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	snprintf(key, sizeof(key), "wire=fd:%d", fd[1]);
	keys[0] = key;
	card_open(&card, 0, keys);
	peer = fd[0];
	own = fd[1];
}

static void wait_link(u32 up)
{
	while (!(card_read(&card, REG_STATUS) & STATUS_LU) == (up != 0))
		sched_yield();
}

static void socket_close(void)
{
	card_close(&card);
	if (peer >= 0)
		close(peer);
	close(own);
}

static u32 length_of(u32 n)
{
	return 14 + n * 37 % 1500;
}

/* The program writes as fast as the socket accepts, independent of the card. */
static void *send_all(void *arg)
{
	static u8 frame[1518];

	for (u32 n = 0; n < FRAMES; n++) {
		frame_make(frame, length_of(n), n);
		if (send(peer, frame, length_of(n), 0) != (ssize_t)length_of(n))
			return arg;
	}
	return NULL;
}

static void check_received(u32 n)
{
	static u8 frame[1518];
	u32 at = card.rx_seen;
	struct got g = card_take(&card);

	frame_make(frame, length_of(n), n);
	assert_int_equal(g.len, length_of(n));
	assert_int_equal(g.errors, 0);
	assert_memory_equal(fake_at(CARD_RX_BUF(&card, at)), frame, g.len);
}

static void receive_burst(int type)
{
	pthread_t thread;
	void *failed = NULL;

	socket_open(type, NULL);
	assert_int_equal(pthread_create(&thread, NULL, send_all, &peer), 0);
	usleep(20000); /* frames wait for a card that is not initialised yet */
	card_start(&card, 0);
	wait_link(1);
	card_give(&card, 7);
	for (u32 n = 0; n < FRAMES; n++) {
		check_received(n);
		card_give(&card, 1);
	}
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_int_equal(card_read(&card, 0x4010) /* MPC */, 0);
	socket_close();
}

static void test_socket_receive(void **state)
{
	receive_burst(SOCK_SEQPACKET);
	receive_burst(SOCK_DGRAM);
}

static void send_burst(int type)
{
	static u8 frame[1518], got[2048];
	u32 sent = 0, seen = 0;

	socket_open(type, NULL);
	card_start(&card, 0);
	wait_link(1);
	/* nothing is read until the card itself is full, then one by one */
	while (seen < FRAMES) {
		while (sent < FRAMES && ((card.tdt + 1) % CARD_RING) != card_read(&card, REG_TDH)) {
			frame_make(frame, length_of(sent), sent);
			card_send(&card, frame, length_of(sent));
			sent++;
		}
		if (sent == seen)
			continue; /* the card has yet to report that it sent them */
		assert_int_equal(recv(peer, got, sizeof(got), 0), length_of(seen));
		frame_make(frame, length_of(seen), seen);
		assert_memory_equal(got, frame, length_of(seen));
		seen++;
	}
	card_sent(&card);
	assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), -1);
	socket_close();
}

static void test_socket_send(void **state)
{
	send_burst(SOCK_SEQPACKET);
	send_burst(SOCK_DGRAM);
}

/* The last frame waits for a full socket, with no packet after it. */
static void test_socket_last_frame_waits(void **state)
{
	u8 frame[64], got[64];

	socket_open(SOCK_SEQPACKET, NULL);
	card_start(&card, 0);
	wait_link(1);
	frame_make(frame, sizeof(frame), 1);
	while (send(own, frame, 60, MSG_DONTWAIT) == 60)
		;
	card_send(&card, frame, sizeof(frame));
	card_sent(&card);
	do
		assert_true(recv(peer, got, sizeof(got), 0) >= 60);
	while (recv(peer, got, sizeof(got), MSG_PEEK) == 60);
	assert_int_equal(recv(peer, got, sizeof(got), 0), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	socket_close();
}

/* A message that is no frame is counted, and the next one arrives. */
static void test_socket_no_frames(void **state)
{
	static u8 large[E1000E_FRAME_MAX + 1];
	u8 frame[64];

	socket_open(SOCK_SEQPACKET, NULL);
	card_start(&card, RCTL_LPE);
	card_give(&card, 8);
	assert_int_equal(send(peer, large, sizeof(large), 0), sizeof(large));
	assert_int_equal(send(peer, large, 13, 0), 13);
	assert_int_equal(send(peer, large, 0, 0), 0);
	frame_make(frame, sizeof(frame), 1);
	assert_int_equal(send(peer, frame, sizeof(frame), 0), sizeof(frame));
	assert_int_equal(card_take(&card).len, sizeof(frame));
	card_stat_wait(&card, 0x400c, 3); /* RXERRC */
	socket_close();
}

/* The other end is closed: what it sent is received, and the link is down. */
static void peer_closes(int type)
{
	u8 frame[64];

	socket_open(type, NULL);
	card_start(&card, 0);
	wait_link(1);
	frame_make(frame, sizeof(frame), 1);
	assert_int_equal(send(peer, frame, sizeof(frame), 0), sizeof(frame));
	close(peer);
	peer = -1;
	if (type == SOCK_DGRAM)
		card_send(&card, frame, sizeof(frame));
	wait_link(0);
	card_give(&card, 4);
	/* for a datagram socket Linux discards what was not received at the end */
	if (type == SOCK_SEQPACKET)
		assert_int_equal(card_take(&card).len, sizeof(frame));
	/* a card without a link still completes its packets */
	for (u32 i = 0; i < 3; i++)
		card_send(&card, frame, sizeof(frame));
	card_sent(&card);
	socket_close();
}

static void test_socket_peer_closes(void **state)
{
	peer_closes(SOCK_SEQPACKET);
	peer_closes(SOCK_DGRAM);
}

static void test_socket_into_a_file(void **state)
{
	struct pcap_file file;
	char key[96];
	u8 frame[100], got[256], loaded[1024];
	u32 lens[4];

	pcap_make(&file);
	snprintf(key, sizeof(key), "pcap-out=%s", file.path);
	socket_open(SOCK_SEQPACKET, key);
	card_start(&card, 0);
	wait_link(1);
	frame_make(frame, sizeof(frame), 5);
	card_send(&card, frame, sizeof(frame));
	assert_int_equal(recv(peer, got, sizeof(got), 0), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	card_sent(&card);
	socket_close();
	assert_int_equal(pcap_load(file.path, loaded, sizeof(loaded), lens, 4), 1);
	assert_int_equal(lens[0], sizeof(frame));
	assert_memory_equal(loaded, frame, sizeof(frame));
	pcap_remove(&file);
}

static void socket_refused(const char *wire, const char *in, int err, const char *word)
{
	const struct fake_arg args[] = {{"wire", wire}, {"pcap-in", in}};
	void *model = NULL;

	if (fake_create(&model_e1000e, args, in ? 2 : 1, &model) != -err ||
	    !strstr(error_text(), word))
		fail_msg("%s: \"%s\", not %d with \"%s\"", wire, error_text(), err, word);
	assert_null(model);
}

static void test_socket_refused(void **state)
{
	socket_refused("fd:", NULL, EINVAL, "number");
	socket_refused("fd:99999", NULL, EBADF, "Bad file descriptor");
	socket_refused("fb:3", NULL, EINVAL, "fd:N");
	socket_refused("fd:3", "/dev/null", EINVAL, "both wire= and pcap-in=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socket_receive),
		cmocka_unit_test(test_socket_send),
		cmocka_unit_test(test_socket_last_frame_waits),
		cmocka_unit_test(test_socket_no_frames),
		cmocka_unit_test(test_socket_peer_closes),
		cmocka_unit_test(test_socket_into_a_file),
		cmocka_unit_test(test_socket_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
