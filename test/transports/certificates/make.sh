#!/bin/sh
# Makes the certificates of these tests again, valid from 2020 to 2120. Run it where OpenSSL 3 is installed; it replaces
# every .pem beside it. The keys protect nothing.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/certs"
touch "$work/index"
echo 01 > "$work/serial"
cat > "$work/openssl.cnf" <<CONFIG
[ca]
default_ca = tests
[tests]
dir = $work
database = $work/index
serial = $work/serial
new_certs_dir = $work/certs
default_md = sha256
policy = any
default_startdate = 20200101000000Z
default_enddate = 21200101000000Z
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
extendedKeyUsage = serverAuth
[client]
extendedKeyUsage = clientAuth
CONFIG

# certificate NAME EXTENSIONS AUTHORITY
certificate() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1-key.pem"
  openssl req -new -key "$1-key.pem" -subj "/CN=$1" -out "$work/$1.csr"
  if [ "$1" = "$3" ]; then signed="-selfsign"; else signed="-cert $3.pem"; fi
  # shellcheck disable=SC2086
  openssl ca -batch -notext -config "$work/openssl.cnf" -extensions "$2" -keyfile "$3-key.pem" $signed \
    -in "$work/$1.csr" -out "$1.pem"
}

certificate authority authority authority
certificate server server authority
certificate renewed server authority
certificate client client authority
certificate revoked client authority
certificate stranger client stranger
openssl ca -config "$work/openssl.cnf" -keyfile authority-key.pem -cert authority.pem -revoke revoked.pem
openssl ca -config "$work/openssl.cnf" -keyfile authority-key.pem -cert authority.pem -gencrl \
  -crl_lastupdate 20200101000000Z -crl_nextupdate 21200101000000Z -out crl.pem
# One that was valid for a day, and has signed itself.
sed -i 's/^default_enddate = .*/default_enddate = 20200102000000Z/' "$work/openssl.cnf"
certificate expired server expired
# Whoever signs the next ones makes all of them.
rm authority-key.pem
