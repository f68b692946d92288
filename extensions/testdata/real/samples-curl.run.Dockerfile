FROM localhost:5000/run-image-curl
