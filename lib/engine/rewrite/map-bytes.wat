;; Maps bytes by a table and counts line feeds, 16 bytes at a time. `map-bytes.ts` holds this module as hex and runs it;
;; a test assembles this file to the same bytes.
;;
;; The memory, in bytes:
;;       0 …  65535  the bytes to map, which are changed in place
;;   65536 …  65551  room for the last vector, where the length is no multiple of 16
;;   65552 …   $end  the rows of the table, 32 bytes each
;;
;; A row changes the bytes that share an upper half, 0x60 to 0x6f for example:
;;   its first vector   the upper half, 16 times: 0x60 0x60 … 0x60
;;   its second vector  for each lower half from 0 to 15, the bits to change: 0x20 for a letter that becomes upper case
;; Upper halves of which no byte changes have no row.
(module
  (memory (export "memory") 2)

  ;; Maps the first $length bytes of the memory, and returns how many line feeds they had.
  (func (export "map") (param $length i32) (param $end i32) (result i32)
    (local $at i32) (local $total i32) (local $row i32) ;; locals begin as 0
    (local $input v128) (local $output v128)

    ;; The last vector may reach beyond $length. It must not count line feeds that an earlier call has left there.
    (v128.store (local.get $length) (v128.const i64x2 0 0))

    (block $done
      (loop $next_vector
        (br_if $done (i32.ge_u (local.get $at) (local.get $length)))

        ;; $input = 16 bytes at $at. `eq` gives 0xff for each line feed, `bitmask` one bit for each of those.
        (local.set $total
          (i32.add
            (local.get $total)
            (i32.popcnt
              (i8x16.bitmask
                (i8x16.eq
                  (local.tee $input (v128.load (local.get $at)))
                  (v128.const i8x16 10 10 10 10 10 10 10 10 10 10 10 10 10 10 10 10))))))

        (local.set $output (local.get $input))
        (local.set $row (i32.const 65552))
        (block $rows_done
          (loop $next_row
            (br_if $rows_done (i32.eq (local.get $row) (local.get $end)))

            ;; $input xor the row's upper half leaves the lower half, 0 to 15, in bytes with that upper half, and 16 or
            ;; more in all others. `swizzle` takes it as index into the row's second vector, and gives 0 beyond 15: so
            ;; bytes with another upper half are not changed.
            (local.set $output
              (v128.xor
                (local.get $output)
                (i8x16.swizzle
                  (v128.load offset=16 (local.get $row))
                  (v128.xor (local.get $input) (v128.load (local.get $row))))))

            (local.set $row (i32.add (local.get $row) (i32.const 32)))
            (br $next_row)))

        (v128.store (local.get $at) (local.get $output))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next_vector)))

    (local.get $total)))
