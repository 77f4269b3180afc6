/* SPDX-License-Identifier: BSD-2-Clause */
/* The version message of vfio-user: what is parsed, what is refused, and what is written. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "vfuser/version.h"

#include <stdio.h>
#include <string.h>

static u8 payload[VFUSER_VERSION_MAX + 16];

static u32 version_put(u16 major, u16 minor, const char *json)
{
	struct vfuser_version_head head = {major, minor};

	memcpy(payload, &head, sizeof(head));
	if (!json)
		return sizeof(head);
	strcpy((char *)payload + sizeof(head), json);
	return (u32)(sizeof(head) + strlen(json) + 1);
}

static struct vfuser_version version_ok(const char *json)
{
	struct vfuser_version v;
	int err = vfuser_version_parse(payload, version_put(0, 1, json), &v);

	if (err)
		fail_msg("%s: %s", json, error_text());
	return v;
}

static void test_version_defaults(void **state)
{
	static const char *const texts[] = {
		NULL,
		"{}",
		" {\t\n\r} ",
		"{\"capabilities\":{}}",
		"[1,[],{\"a\":null}]",
		"{\"capabilities\":{\"a\":{\"max_msg_fds\":\"x\"}}}",
		"{\"max_msg_fds\":9}",
		"{\"x\":-1.5e+3,\"y\":[true,false,null,\"\\\"\\\\\"]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct vfuser_version v = version_ok(texts[i]);

		assert_int_equal(v.major, 0);
		assert_int_equal(v.minor, 1);
		assert_int_equal(v.max_msg_fds, 1);
		assert_int_equal(v.max_data_xfer_size, 1048576);
		assert_int_equal(v.max_dma_maps, 65535);
		assert_int_equal(v.pgsizes, 4096);
		assert_false(v.write_multiple);
		assert_false(v.twin_socket);
		assert_false(v.twin_has_fd);
	}
}

static void test_version_capabilities(void **state)
{
	struct vfuser_version v = version_ok(
		"{\"capabilities\": {\"max_msg_fds\": 8, "
		"\"max_data_xfer_size\":18446744073709551615,"
		"\"max_dma_maps\":7,\"migration\":{\"pgsize\":4096},\"pgsizes\" :2101248,"
		"\"write_multiple\":true,\"twin_socket\":{\"supported\":true,\"fd_index\":3}}}");

	assert_int_equal(v.max_msg_fds, 8);
	assert_true(v.max_data_xfer_size == UINT64_MAX);
	assert_int_equal(v.max_dma_maps, 7);
	assert_int_equal(v.pgsizes, 2101248);
	assert_true(v.write_multiple);
	assert_true(v.twin_socket);
	assert_true(v.twin_has_fd);
	assert_int_equal(v.twin_fd, 3);
}

static void version_refused(u32 size, const char *why)
{
	struct vfuser_version v = {.max_msg_fds = 77};

	if (vfuser_version_parse(payload, size, &v) != -EPROTO || v.max_msg_fds != 77)
		fail_msg("not refused: %s", why);
}

static void test_version_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"{}}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a\":tru}",
		"{\"a\":-}",
		"{\"a\":1.}",
		"{\"a\":1e}",
		"{a:1}",
		"{\"a",
		"{\"a\\",
		"{\"a\n\":1}",
		"[1 2]",
		"[[[[[[[[[1]]]]]]]]]",
		"{\"capabilities\":{\"max_msg_fds\":\"8\"}}",
		"{\"capabilities\":{\"max_msg_fds\":-8}}",
		"{\"capabilities\":{\"max_msg_fds\":1.5}}",
		"{\"capabilities\":{\"max_msg_fds\":18446744073709551616}}",
		"{\"capabilities\":{\"max_data_xfer_size\":0}}",
		"{\"capabilities\":{\"pgsizes\":0}}",
		"{\"capabilities\":{\"write_multiple\":1}}",
		"{\"capabilities\":{\"twin_socket\":{\"supported\":null}}}",
		"{\"capabilities\":{\"twin_socket\":{\"fd_index\":true}}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		version_refused(version_put(0, 1, texts[i]), texts[i]);
	version_refused(3, "shorter than the numbers");
	version_put(0, 1, "{}");
	version_refused(6, "no NUL at the end");
	memset(payload, ' ', sizeof(payload));
	version_refused(VFUSER_VERSION_MAX + 1, "too long");
}

/* Not by memcmp(), because a struct has padding. */
static void assert_same_version(const struct vfuser_version *v, const struct vfuser_version *w)
{
	assert_true(v->major == w->major && v->minor == w->minor);
	assert_true(v->max_msg_fds == w->max_msg_fds);
	assert_true(v->max_data_xfer_size == w->max_data_xfer_size);
	assert_true(v->max_dma_maps == w->max_dma_maps && v->pgsizes == w->pgsizes);
	assert_true(v->write_multiple == w->write_multiple);
	assert_true(v->twin_socket == w->twin_socket && v->twin_has_fd == w->twin_has_fd);
	assert_true(v->twin_fd == w->twin_fd);
}

static void test_version_round_trip(void **state)
{
	struct vfuser_version v = {.major = 0,
				   .minor = 1,
				   .max_msg_fds = UINT64_MAX,
				   .max_data_xfer_size = UINT64_MAX,
				   .max_dma_maps = UINT64_MAX,
				   .pgsizes = UINT64_MAX,
				   .write_multiple = true,
				   .twin_socket = true,
				   .twin_has_fd = true,
				   .twin_fd = UINT64_MAX};
	struct vfuser_version w = {0};
	u32 size = vfuser_version_format(payload, &v);

	assert_true(size <= VFUSER_VERSION_MAX);
	assert_int_equal(vfuser_version_parse(payload, size, &w), 0);
	assert_same_version(&v, &w);
	vfuser_version_defaults(&v);
	size = vfuser_version_format(payload, &v);
	assert_int_equal(vfuser_version_parse(payload, size, &w), 0);
	assert_false(w.twin_socket || w.twin_has_fd || w.write_multiple);
	assert_int_equal(w.max_data_xfer_size, v.max_data_xfer_size);
	assert_null(strstr((char *)payload + sizeof(struct vfuser_version_head), "twin_socket"));
	assert_null(strstr((char *)payload + sizeof(struct vfuser_version_head), "write_multiple"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_defaults),
		cmocka_unit_test(test_version_capabilities),
		cmocka_unit_test(test_version_refused),
		cmocka_unit_test(test_version_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
