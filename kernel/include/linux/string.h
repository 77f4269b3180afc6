/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KMOD_LINUX_STRING_H
#define KMOD_LINUX_STRING_H

#include <linux/compiler.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t n);
char *strcpy(char *dst, const char *src);
char *strncpy(char *dst, const char *src, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *a, const char *b);
/* The copy always ends in a zero byte. Returns -E2BIG if the string was truncated. */
ssize_t kmod_strscpy(char *dst, const char *src, size_t size);
size_t kmod_strlcpy(char *dst, const char *src, size_t size);
#define __KMOD_STRSCPY2(d, s)	      kmod_strscpy(d, s, sizeof(d))
#define __KMOD_STRSCPY3(d, s, n)      kmod_strscpy(d, s, n)
#define __KMOD_PICK3(a, b, c, f, ...) f
#define strscpy(...)		      __KMOD_PICK3(__VA_ARGS__, __KMOD_STRSCPY3, __KMOD_STRSCPY2)(__VA_ARGS__)
#define strscpy_pad(d, s, n)	      (memset(d, 0, n), kmod_strscpy(d, s, n))
#define strlcpy(d, s, n)	      kmod_strlcpy(d, s, n)
#define memzero_explicit(p, n)	      memset(p, 0, n)
#define memset_after(obj, v, member)                                                               \
	memset((char *)(obj) + offsetofend(__typeof__(*(obj)), member), v,                         \
	       sizeof(*(obj)) - offsetofend(__typeof__(*(obj)), member))
void *memchr_inv(const void *s, int c, size_t n);

#endif
