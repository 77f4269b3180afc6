/* SPDX-License-Identifier: BSD-2-Clause */
/* Bitmaps, strings, numbers, checksums. */
#include "core.h"
#include <linux/etherdevice.h>

unsigned long find_next_bit(const unsigned long *addr, unsigned long size, unsigned long from)
{
	while (from < size && !test_bit((long)from, addr))
		from++;
	return min(from, size);
}

unsigned long find_next_zero_bit(const unsigned long *addr, unsigned long size, unsigned long from)
{
	while (from < size && test_bit((long)from, addr))
		from++;
	return min(from, size);
}

void bitmap_zero(unsigned long *dst, unsigned int bits)
{
	memset(dst, 0, BITS_TO_LONGS(bits) * sizeof(*dst));
}

void bitmap_fill(unsigned long *dst, unsigned int bits)
{
	for (unsigned int i = 0; i < bits; i++)
		__set_bit(i, dst);
}

void bitmap_copy(unsigned long *dst, const unsigned long *src, unsigned int bits)
{
	memcpy(dst, src, BITS_TO_LONGS(bits) * sizeof(*dst));
}

void bitmap_or(unsigned long *dst, const unsigned long *a, const unsigned long *b,
	       unsigned int bits)
{
	for (unsigned int i = 0; i < BITS_TO_LONGS(bits); i++)
		dst[i] = a[i] | b[i];
}

bool bitmap_and(unsigned long *dst, const unsigned long *a, const unsigned long *b,
		unsigned int bits)
{
	unsigned long any = 0;

	for (unsigned int i = 0; i < BITS_TO_LONGS(bits); i++)
		any |= dst[i] = a[i] & b[i];
	return any != 0;
}

bool bitmap_empty(const unsigned long *src, unsigned int bits)
{
	return find_first_bit(src, bits) >= bits;
}

bool bitmap_equal(const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	for (unsigned int i = 0; i < bits; i++) {
		if (test_bit(i, a) != test_bit(i, b))
			return false;
	}
	return true;
}

unsigned int bitmap_weight(const unsigned long *src, unsigned int bits)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < bits; i++)
		n += test_bit(i, src);
	return n;
}

ssize_t kmod_strscpy(char *dst, const char *src, size_t size)
{
	size_t n = strnlen(src, size);

	if (!size || size > INT_MAX)
		return -E2BIG;
	if (n < size) {
		memcpy(dst, src, n + 1);
		return (ssize_t)n;
	}
	memcpy(dst, src, size - 1);
	dst[size - 1] = 0;
	return -E2BIG;
}

size_t kmod_strlcpy(char *dst, const char *src, size_t size)
{
	kmod_strscpy(dst, src, size);
	return strlen(src);
}

void *memchr_inv(const void *s, int c, size_t n)
{
	const u8 *p = s;

	for (size_t i = 0; i < n; i++) {
		if (p[i] != (u8)c)
			return (void *)(p + i);
	}
	return NULL;
}

unsigned long int_sqrt(unsigned long x)
{
	unsigned long low = 0, high = 1ul << 32;

	while (high - low > 1) {
		unsigned long mid = low + (high - low) / 2;

		if (mid * mid <= x)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static int lib_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

static const char *lib_parse(const char *s, unsigned int base, unsigned long *v, bool *overflow)
{
	const char *first;

	if ((base == 0 || base == 16) && s[0] == '0' && (s[1] | 0x20) == 'x' &&
	    lib_digit(s[2]) < 16) {
		s += 2;
		base = 16;
	} else if (base == 0) {
		base = s[0] == '0' ? 8 : 10;
	}
	*v = 0;
	*overflow = false;
	for (first = s; lib_digit(*s) < (int)base; s++) {
		*overflow |= __builtin_mul_overflow(*v, base, v);
		*overflow |= __builtin_add_overflow(*v, (unsigned long)lib_digit(*s), v);
	}
	return s == first ? NULL : s;
}

int kstrtoul(const char *s, unsigned int base, unsigned long *res)
{
	bool overflow;
	unsigned long v;

	s = lib_parse(*s == '+' ? s + 1 : s, base, &v, &overflow);
	if (!s || (s[0] && !(s[0] == '\n' && !s[1])))
		return -EINVAL;
	if (overflow)
		return -ERANGE;
	*res = v;
	return 0;
}

int kstrtoint(const char *s, unsigned int base, int *res)
{
	bool minus = *s == '-';
	unsigned long v;
	int err = kstrtoul(s + minus, base, &v);

	if (err)
		return err;
	if (v > (unsigned long)INT_MAX + minus)
		return -ERANGE;
	*res = minus ? (int)-(long)v : (int)v;
	return 0;
}

int kstrtouint(const char *s, unsigned int base, unsigned int *res)
{
	unsigned long v;
	int err = kstrtoul(s, base, &v);

	if (!err && v > UINT_MAX)
		err = -ERANGE;
	if (!err)
		*res = (unsigned int)v;
	return err;
}

int kstrtou32(const char *s, unsigned int base, u32 *res)
{
	return kstrtouint(s, base, res);
}

unsigned long simple_strtoul(const char *s, char **end, unsigned int base)
{
	bool overflow;
	unsigned long v = 0;
	const char *after = lib_parse(s, base, &v, &overflow);

	if (end)
		*end = (char *)(after ? after : s);
	return v;
}

bool mac_pton(const char *s, u8 *mac)
{
	for (int i = 0; i < 6; i++) {
		int high = lib_digit(s[3 * i]), low = high < 16 ? lib_digit(s[3 * i + 1]) : 99;

		if (high > 15 || low > 15 || (i < 5 && s[3 * i + 2] != ':'))
			return false;
		mac[i] = (u8)(high << 4 | low);
	}
	return true;
}

void get_random_bytes(void *buf, size_t n)
{
	host_random(buf, n);
}

void eth_random_addr(u8 *a)
{
	host_random(a, ETH_ALEN);
	a[0] = (u8)((a[0] & 0xfe) | 2);
}

u32 crc32_le(u32 crc, const u8 *p, size_t n)
{
	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return crc;
}

u32 crc32_be(u32 crc, const u8 *p, size_t n)
{
	while (n--) {
		crc ^= (u32)*p++ << 24;
		for (int i = 0; i < 8; i++)
			crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7u : 0);
	}
	return crc;
}

__wsum csum_partial(const void *buf, int len, __wsum sum)
{
	const u8 *p = buf;
	u64 s = (__force u32)sum;

	for (int i = 0; i + 1 < len; i += 2)
		s += (u32)p[i] | (u32)p[i + 1] << 8;
	if (len & 1)
		s += p[len - 1];
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffffffff) + (s >> 32);
	return (__force __wsum)(u32)s;
}

__sum16 csum_tcpudp_magic(__be32 from, __be32 to, u32 len, u8 proto, __wsum sum)
{
	struct {
		__be32 from, to;
		u8 zero, proto;
		__be16 len;
	} __packed pseudo = {from, to, 0, proto, htons((u16)len)};

	return csum_fold(csum_partial(&pseudo, sizeof(pseudo), sum));
}

__sum16 csum_ipv6_magic(const struct in6_addr *from, const struct in6_addr *to, u32 len, u8 proto,
			__wsum sum)
{
	struct {
		struct in6_addr from, to;
		__be32 len;
		u8 zero[3], proto;
	} __packed pseudo = {*from, *to, htonl(len), {0}, proto};

	return csum_fold(csum_partial(&pseudo, sizeof(pseudo), sum));
}

/* A program may pass any address. Bytes at an unmapped address are not copied and read as zeros. */
unsigned long copy_from_user(void *to, const void __user *from, unsigned long n)
{
	size_t fits;

	kmod_might_sleep("copy_from_user");
	fits = host_readable(from, n);
	memcpy(to, from, fits);
	if (fits < n)
		memset((char *)to + fits, 0, n - fits);
	return n - fits;
}

unsigned long copy_to_user(void __user *to, const void *from, unsigned long n)
{
	size_t fits;

	kmod_might_sleep("copy_to_user");
	fits = host_readable(to, n);
	memcpy(to, from, fits);
	return n - fits;
}

unsigned long clear_user(void __user *to, unsigned long n)
{
	size_t fits;

	kmod_might_sleep("clear_user");
	fits = host_readable(to, n);
	memset(to, 0, fits);
	return n - fits;
}
